"""The words for things, motions and scenes, and a fact about every thing."""
