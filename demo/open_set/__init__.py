"""Open your own: a visitor's ZIP becomes a dataset that Explore, Embeddings and Pose errors show to them alone."""
