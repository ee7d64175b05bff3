"""The Model tab: the cards of the loaded weights."""
