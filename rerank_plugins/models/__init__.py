"""A model reference in, a checked folder out.

In: a hub id, a folder, a bundle or `"embedded"`. Out: its folder, and what identifies it. Private
to the package.
"""
