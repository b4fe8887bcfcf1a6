"""The memory: the turn, its two providers, and the text that they add to an agent's instructions."""
