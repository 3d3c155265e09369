"""The suite of the small world that mini is trained on."""
