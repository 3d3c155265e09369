"""Values that everything shares: modalities, media, records, schemas and hashes."""
