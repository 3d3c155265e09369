"""The version, and the name of the distribution."""

__version__ = "0.1.0"
DISTRIBUTION = "anygen-mm"  # what pip calls it: `anygen` on PyPI belongs to somebody else
