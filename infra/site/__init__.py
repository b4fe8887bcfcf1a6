"""The documentation's site, which Sphinx builds from the same Markdown files that GitHub shows."""
