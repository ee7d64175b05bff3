"""The Explore tab: facets, thumbnails, and one sample closely."""
