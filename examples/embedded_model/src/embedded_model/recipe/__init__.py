"""The settings of a recipe, read from its file and checked."""
