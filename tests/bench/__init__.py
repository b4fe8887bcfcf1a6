"""Benchmarks of the memory's hot paths, compared with the bare servers."""
