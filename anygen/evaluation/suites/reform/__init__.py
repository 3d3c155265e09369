"""ReForm-Eval: 61 sets of tasks as multiple choice and short texts; suite.py is the suite."""
