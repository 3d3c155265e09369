"""The endpoints: what clients send, and what they get."""
