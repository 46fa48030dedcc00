"""What a recipe holds, read from its file and checked."""
