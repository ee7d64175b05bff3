"""The Embeddings tab: the map, chosen samples, similarities by pose and identity."""
