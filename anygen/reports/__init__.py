"""Pages to look at: of an evaluation, of two compared, of a training run. Each is one file."""
