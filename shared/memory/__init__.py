"""The memory: providers, the turn that binds them, and the text they inject."""
