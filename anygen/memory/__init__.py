"""How much memory a system needs, computed without loading its weights."""
