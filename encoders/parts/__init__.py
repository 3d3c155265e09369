"""Pieces that encoder plugins are made of."""
