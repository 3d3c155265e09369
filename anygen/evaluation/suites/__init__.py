"""Suites of `anygen evaluate`: a suite is a module with ROWS and TASKS."""
