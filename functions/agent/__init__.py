"""The agent function: serves the HTTP API and direct invocations."""
