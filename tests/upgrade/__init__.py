"""A release beside the one before it: on one schema, one Redis and one queue."""
