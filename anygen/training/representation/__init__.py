"""Media and captions in one representation, learned without an LLM."""
