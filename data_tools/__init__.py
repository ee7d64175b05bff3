"""Builds pose-labelled face datasets: real ones from their published layouts, and people that our own code draws."""
