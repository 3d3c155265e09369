"""Modality-switching instruction data, and the small world that mini is trained on."""
