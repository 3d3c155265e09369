"""Batch generation: files of prompts in, media and records out."""
