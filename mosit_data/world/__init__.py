"""A small world whose pictures, sounds and videos are programs, so that their content is known."""
