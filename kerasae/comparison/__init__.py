"""Comparison: finished runs side by side, from what is on disk: no Keras, no images."""
