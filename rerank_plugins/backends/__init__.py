"""Batches in, logits out: torch, ONNX Runtime, OpenVINO or JAX.

In: a model's folder and settings. Out: a loaded `Backend`, and why it is that one. Private to the
package: the engine calls it.
"""
