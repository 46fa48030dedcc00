"""First stages: BM25 and a bi-encoder.

In: texts of a collection and queries. Out: candidates. Private to the package: the demo, evaluation
and training call it.
"""
