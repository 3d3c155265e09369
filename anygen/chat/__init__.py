"""The terminal chat: a session, its turns and commands."""
