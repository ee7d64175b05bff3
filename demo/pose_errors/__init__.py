"""The Pose errors tab: the matrix of pose pairs, one cell closely, its hardest pairs, provenance, reports on request."""
