"""Kernels that save memory: the same numbers as torch's own layers give."""
