"""Batch-invariant kernels, linear layers in fewer bits, and spectrograms."""
