"""File formats, one module for each kind, used through `anygen.io.media_files`."""
