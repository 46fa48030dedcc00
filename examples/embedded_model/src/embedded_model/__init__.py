"""The recipe of the embedded model: from open question-passage pairs to its weights."""
