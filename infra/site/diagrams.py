"""Mermaid diagrams: the browser draws them with a copy of Mermaid that only their pages load."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def _mark_diagrams(_app: Sphinx, document: nodes.document) -> None:
    """Replace each block of Mermaid code by the element that Mermaid draws in."""
    for block in list(document.findall(nodes.literal_block)):
        if block.get("language") == "mermaid":
            html = f'<pre class="mermaid">{escape(block.astext())}</pre>'
            block.replace_self(nodes.raw("", html, format="html"))


def _load_mermaid(
    app: Sphinx, _page: str, _template: str, _context: dict[str, Any], document: nodes.document | None
) -> None:
    if document and any('class="mermaid"' in raw.astext() for raw in document.findall(nodes.raw)):
        app.add_js_file("mermaid.tiny.js", defer="defer")
        app.add_js_file("diagrams.js", defer="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-read", _mark_diagrams)
    app.connect("html-page-context", _load_mermaid)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
