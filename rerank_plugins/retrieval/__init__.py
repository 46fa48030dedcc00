"""First stages: BM25 and a bi-encoder.

In: a collection's texts and queries. Out: candidates. Private to the package: the demo, evaluation
and fine-tuning call it.
"""
