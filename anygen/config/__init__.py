"""YAML schemas and overrides, placement on devices, and plugin lookup."""
