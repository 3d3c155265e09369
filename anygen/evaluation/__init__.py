"""Evaluation: suites, judges, results and their comparison."""
