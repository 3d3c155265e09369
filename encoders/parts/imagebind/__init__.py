"""Pieces of ImageBind (Girdhar et al. 2023): towers, published weights, what the towers read."""
