"""The language model: loading, prompts, signal tokens and its key-value cache."""
