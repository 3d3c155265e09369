"""Pieces that decoder plugins are made of."""
