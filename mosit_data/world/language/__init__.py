"""Requests, questions, answers and dialogues about the small world."""
