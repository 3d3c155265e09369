"""What the building of dialogues needs of models: writers, media for captions, a page to review."""
