"""Media -> features. Every .py file here except base.py is a plugin, named after the file."""
