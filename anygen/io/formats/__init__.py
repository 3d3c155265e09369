"""File formats: one module for each kind; `anygen.io.media_files` is their only door."""
