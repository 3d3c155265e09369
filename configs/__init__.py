"""Whole YAML files, one per system or training run."""
