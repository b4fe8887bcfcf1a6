"""What both functions share: the wire contract, the settings, the stores and the memory itself."""
