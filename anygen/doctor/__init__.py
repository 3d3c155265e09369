"""Diagnosis of an installation, and a smoke test of every modality."""
