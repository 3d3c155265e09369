"""The pipelines of diffusers: families, calls, media and losses."""
