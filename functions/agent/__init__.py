"""The agent function: HTTP and direct invocation in, memory and an agent's answer out."""
