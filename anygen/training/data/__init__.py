"""The user's data: records in files, from which a run draws rows."""
