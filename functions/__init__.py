"""The Lambda functions, each with one composition root: its `handler.py`."""
