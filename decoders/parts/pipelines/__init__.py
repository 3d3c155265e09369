"""The pipelines of diffusers: families, sources, calls, media and losses."""
