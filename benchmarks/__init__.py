"""Side by side with the source article and with peers; each command prints a ratio."""
