"""Code shared by both functions: the wire format, the settings, the stores and the memory."""

__version__ = "0.1.0"
"""The project's version. Artifacts contain no pyproject.toml, so `make version` sets the version here, too."""
