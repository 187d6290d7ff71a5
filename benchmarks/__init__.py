"""Benchmarks beside the source article and peers; each command prints a ratio."""
