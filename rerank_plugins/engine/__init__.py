"""Requests of threads and event loops in, shared batches out.

In: pairs with the options they are scored by. Out: futures of logits. Private to the package:
`scorer` calls it.
"""
