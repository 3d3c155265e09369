"""Judges: classifiers of media, trained on true renders alone."""
