"""Finds statements of users about themselves by rules, without a model: the deriver `rules:3`."""
