"""A training run: its folder, its state on disk, its log, and how it is stopped and goes on."""
