"""Question-passage pairs: reading a source, and turning open collections into sources."""
