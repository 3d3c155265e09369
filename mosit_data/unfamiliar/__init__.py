"""Media that are not of the small world, made by rule: what mini must be unsure of."""
