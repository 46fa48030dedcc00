"""How messages name things.

In: options, values, commands, files and models. Out: the words for them in messages and reports.
Private to the package: every room may call it.
"""
