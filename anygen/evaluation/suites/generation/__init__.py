"""Suites of media that a model makes, in the folders that published scorers read."""
