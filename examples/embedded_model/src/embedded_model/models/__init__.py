"""The bi-encoder, the student made of its layers, and the second teacher."""
