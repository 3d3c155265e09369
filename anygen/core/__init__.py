"""Values shared by all packages: modalities, media, records, schemas and hashes."""
