"""Readers of other tools' conversations, for `hybrid-memory import`."""
