"""The dialects: each reads a body into an `Ask`, and writes an `Answer` and errors as its own.

In: JSON values. Out: JSON values. Private to the package.
"""
