"""Labels of images: which files there are, and what a table, a name or a text says of each."""
