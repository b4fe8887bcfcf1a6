"""The Lambda functions. The `handler.py` of each function reads the settings and creates the function's objects."""
