"""Keeps the scores of pairs in a file, so that no pair is scored twice.

In: pairs, and a function that asks a model. Out: futures of scores, kept ones and new ones.
Private to the package: `scorer` calls it.
"""
