"""File formats: one module for each kind; `anygen.media_files` is their only door."""
