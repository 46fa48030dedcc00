"""Pairs of texts in, token ids out.

In: queries and passages. Out: token ids, and what was cut. Private to the package: backends call
it.
"""
