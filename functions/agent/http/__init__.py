"""The HTTP API: parses events, validates and routes requests, turns errors into problems, and serves the page."""
