"""The network and its weights: layers, cards, checkpoints, embedders, the published files."""
