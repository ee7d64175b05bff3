"""Learning from scratch to see like a network of the same layout, map by map."""
