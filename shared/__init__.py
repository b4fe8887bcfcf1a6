"""Code shared by both functions: the wire format, the settings, the stores and the memory."""
