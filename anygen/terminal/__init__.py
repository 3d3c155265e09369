"""Drawing, playing and typing in a terminal, without knowledge of the model."""
