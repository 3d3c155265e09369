"""History as data: transcripts, provenance, and their serialisation."""
