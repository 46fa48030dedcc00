"""What a score means: the probability of being relevant, as judged questions taught it.

In: a file that `rerank calibrate` wrote, and the scorer it is used with. Out: scores on the scale
`"calibrated"`. Private to the package.
"""
