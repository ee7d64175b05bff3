"""The Pose errors tab: the matrix of pose pairs, one cell closely, its hardest pairs, where a report comes from."""
