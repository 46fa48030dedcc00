"""A model's folder as transformers and sentence-transformers read it, without either.

In: a folder with config.json, tokenizer and modules. Out: the `ModelDescription` that a loaded
`CrossEncoder` would have. Private to the package.
"""
