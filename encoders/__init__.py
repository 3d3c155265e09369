"""Media -> features. Every .py file here but base.py is a plugin; its name is the file name."""
