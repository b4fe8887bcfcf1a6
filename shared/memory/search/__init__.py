"""Search in everything that a user said or was told."""
