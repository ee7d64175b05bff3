"""What each format of picture files keeps when it is cut down to its pixels: a module a format."""
