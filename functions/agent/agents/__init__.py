"""The agent function's models, and the run of an agent with its tools."""
