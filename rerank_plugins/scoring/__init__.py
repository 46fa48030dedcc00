"""The contract of every scorer.

In: queries, passages and pairs, checked. Out: logits, checked and counted. Private to the package:
`Scorer` is public at the root.
"""
