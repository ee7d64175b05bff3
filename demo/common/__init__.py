"""What tabs share: figures and clickable HTML as components, handlers, photo inputs, downloads, long jobs, samples."""
