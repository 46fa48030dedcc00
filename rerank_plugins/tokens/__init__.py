"""Turns pairs of texts into token ids.

In: queries and passages. Out: token ids, and which pairs were cut. Private to the package: backends
call it.
"""
