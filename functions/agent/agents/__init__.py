"""The agent half: models, and the run of an agent with its tools."""
