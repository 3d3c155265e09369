"""A batch in parts: what is in the folder, who answers what, and what is made of it at the end."""
