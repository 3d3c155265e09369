"""Stages, data mixtures, losses, the training loop, and its report."""
