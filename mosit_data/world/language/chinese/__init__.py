"""Chinese: how people phrase requests and questions, and what mini answers."""
