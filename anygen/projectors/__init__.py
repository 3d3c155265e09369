"""Projectors from encoders into the LLM, and from the LLM into decoders."""
