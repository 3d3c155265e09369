"""Training: stages, data mixtures, losses, the loop and its report."""
