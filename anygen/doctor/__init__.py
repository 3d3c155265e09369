"""Checks of the installation, and a smoke test of every modality."""
