"""Files, media formats and downloads. Files are written completely or not at all."""
