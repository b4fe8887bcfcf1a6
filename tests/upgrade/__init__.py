"""This release and the previous one on one schema, one Redis and one queue."""
