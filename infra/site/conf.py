"""Sphinx reads this file. Its source directory is the repository's root, so links work on GitHub and on the site."""

from __future__ import annotations

import tomllib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
# The accent of the page (clients/page/src/styles/tokens.css).
_ACCENT = "#3b3a8f"
_ACCENT_DARK = "#aeb0ff"

project = "Hybrid agent memory"
author = "the hybrid-memory contributors"
copyright = author  # noqa: A001 - Sphinx's name
version = release = _PROJECT["version"]

extensions = ["myst_parser", *(f"infra.site.{name}" for name in ("navigation", "links", "tables", "diagrams"))]
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "clients/*/README.md"]
# Sphinx does not enter these folders.
exclude_patterns = [".*", "**/node_modules", "examples", "functions", "infra", "scripts", "shared", "tests"]

# An anchor is a heading's slug, as on GitHub, and the text stays as it is typed.
myst_heading_anchors = 6
myst_enable_extensions = ["html_image"]
smartquotes = False
highlight_language = "text"
# Console examples contain quotes over several lines and outputs with `…`. Sphinx cannot highlight them completely, and
# would warn.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = project
templates_path = ["templates"]
html_static_path = ["static", "node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js"]
html_favicon = "static/icon.svg"
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_use_index = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": _ACCENT, "color-brand-content": _ACCENT},
    "dark_css_variables": {"color-brand-primary": _ACCENT_DARK, "color-brand-content": _ACCENT_DARK},
}
