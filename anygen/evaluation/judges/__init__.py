"""Judges: classifiers trained on true renders only."""
