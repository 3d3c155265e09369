"""The version, and the name of the distribution."""

__version__ = "0.1.0"
DISTRIBUTION = "anygen-mm"  # its name for pip; `anygen` on PyPI is another project
