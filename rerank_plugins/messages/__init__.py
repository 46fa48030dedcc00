"""How messages name things.

In: options, values, commands, files and models. Out: their names in messages and reports.
Private to the package: every room may call it.
"""
