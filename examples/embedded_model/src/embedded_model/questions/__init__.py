"""Pairs turned into training questions, each beside its mined passages."""
