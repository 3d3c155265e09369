"""Files, media formats and downloads: written whole or not at all."""
