"""Generated media as points in the space of a network: extractors, and distances between sets."""
