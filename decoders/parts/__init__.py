"""Building blocks of decoder plugins."""
