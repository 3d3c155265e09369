"""Builds instruction data: plan, write, parse, ground, check, drop duplicates, split, pack."""
