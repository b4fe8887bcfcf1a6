"""A driver that breaks the embedded stack at random while callers use it, and then counts what became of everything."""
