"""Suites of `anygen evaluate`; base.py says what a suite's module holds."""
