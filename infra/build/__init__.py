"""Builds for a release: the functions' artifacts, the page, the token table, and the audit of packages."""
