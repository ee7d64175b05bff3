"""A report for people: its tables and its reading in words, and the file that carries it away."""
