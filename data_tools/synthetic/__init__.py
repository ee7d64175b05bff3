"""Heads that our own code draws: people who do not exist, with exactly known pose and landmarks."""
