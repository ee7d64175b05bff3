"""What the tabs share: widgets, handlers, downloads, jobs, pictures, views of datasets and embeddings, figure styles."""
