"""Weights on disk, model cards, and the catalogue of models."""
