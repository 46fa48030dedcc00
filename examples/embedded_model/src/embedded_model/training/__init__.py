"""The run: groups of questions in, a trained model out."""
