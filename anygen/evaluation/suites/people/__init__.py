"""The suite `people`: requests as people type them, with what each of them would want."""
