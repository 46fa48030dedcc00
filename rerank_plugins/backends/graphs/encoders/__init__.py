"""How each architecture turns token ids into states, written once for every runtime.

In: a model's config and `Operations`. Out: the states of its tokens. Private to the package:
`networks` puts encoders and heads together.
"""
