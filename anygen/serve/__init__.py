"""The HTTP server: OpenAI's API, with ordered media."""
