"""Scores the requests of any threads and event loops in shared batches.

In: pairs and the options to score them with. Out: futures of logits. Private to the package:
`scorer` calls it.
"""
