"""The arena: two anonymous models answer one prompt, and a vote says which answer is better."""
