"""This release and the previous one share one schema, one Redis and one queue."""
