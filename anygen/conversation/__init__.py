"""Conversations as data: history, saved transcripts, provenance of generated files."""
