"""Suites of answers in which text and media alternate."""
