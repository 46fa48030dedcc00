"""Checks of what callers give.

In: a value and the name of its option. Out: the value as the core stores it, or an error that says
what is allowed and what to type instead. Private to the package: every room may call it.
"""
