"""Question-passage pairs: those of a source, and open collections turned into sources."""
