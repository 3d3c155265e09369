"""Presets: the kinds of dialogues of published sets, each a row of small functions."""
