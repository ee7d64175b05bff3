"""Rows and vectors on disk: datasets, selections of them, and their embeddings."""
