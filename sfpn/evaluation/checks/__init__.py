"""What may be wrong with a dataset: doubtful labels, equal pictures, split people, poor photos, gaps."""
