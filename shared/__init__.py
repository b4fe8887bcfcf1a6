"""Code shared by both functions: the wire format, the settings, the stores and the memory."""

__version__ = "0.1.0"
"""The version of pyproject.toml, which the functions' artifacts do not contain: `make version` sets both."""
