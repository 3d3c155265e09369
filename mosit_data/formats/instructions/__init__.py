"""Layouts with an instruction and its output in each row."""
