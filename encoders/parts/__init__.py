"""Building blocks of encoder plugins."""
