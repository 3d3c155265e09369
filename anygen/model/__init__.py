"""The network that joins encoder, LLM, projectors and decoders."""
