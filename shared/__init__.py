"""Code shared by both functions: the wire format, the settings, the stores and the memory."""

__version__ = "0.1.0"
"""The project's version, as in pyproject.toml, which the functions do not have: `make version` sets both."""
