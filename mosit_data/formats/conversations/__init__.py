"""Layouts of dialogues with one entry per turn."""
