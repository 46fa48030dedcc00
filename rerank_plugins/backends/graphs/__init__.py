"""Compiled graphs, bundles of them, their cache, and int8.

In: a model's folder and a plan. Out: the graph that runs it. Private to the package: backends and
`compile_model` call it.
"""
