"""Learning to put faces where teachers put them."""
