"""Benchmarks: same weights, same pairs, interleaved in one run. Type: make bench."""
