"""Batch generation from files of prompts."""
