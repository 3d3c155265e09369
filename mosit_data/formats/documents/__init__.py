"""Layouts of documents in which text and pictures alternate."""
