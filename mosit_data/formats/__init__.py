"""Readers and writers of the layouts in which others publish instruction data."""
