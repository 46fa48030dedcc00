"""Benchmarks: the same weights and pairs for all ways, in turns in one run; see `make bench`."""
