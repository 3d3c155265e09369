"""Layouts of media with captions, and tables and archives that hold rows of any kind."""
