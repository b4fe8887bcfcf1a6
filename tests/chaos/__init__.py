"""A run injects random faults into the embedded stack while callers use it, then checks every exchange."""
