"""Removes empty headings of tables: GitHub needs an empty first row, but a screen reader would read empty headings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def _remove_empty_headings(_app: Sphinx, document: nodes.document) -> None:
    for heading in list(document.findall(nodes.thead)):
        if not heading.astext().strip():
            heading.parent.remove(heading)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-read", _remove_empty_headings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
