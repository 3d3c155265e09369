"""HTML pages of evaluations, comparisons, training runs and chats. Each is a single file."""
