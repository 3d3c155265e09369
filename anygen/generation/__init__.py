"""Requests, options, the engine that answers them, and the events it emits."""
