"""The commands of `anygen`."""
