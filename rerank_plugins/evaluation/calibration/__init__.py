"""What scores mean on judged candidates: curves, their errors, and thresholds.

In: a comparison with one reranker's order. Out: a calibration and the report about it. Private to
`rerank_plugins.evaluation`, whose door has the names that users need.
"""
