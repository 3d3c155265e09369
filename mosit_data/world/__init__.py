"""A small world whose pictures, sounds and videos are programs, so that the truth is known."""
