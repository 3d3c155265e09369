"""Drawing, playing and typing in a terminal, independent of the model."""
