"""Logits in, a ranking out.

In: the logits of the pairs of several queries. Out: order, threshold and scale applied. Private to
the package: `reranker` calls it.
"""
