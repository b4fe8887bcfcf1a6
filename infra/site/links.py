"""Links to files that are no pages of the site: they lead to the repository.

Sphinx warns of a link that names neither a page nor a file, and the warning fails the build.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx import addnodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

REPOSITORY = "https://github.com/hybrid-memory/hybrid-memory"
# This priority runs the handler before Sphinx's own handler with the default priority 500, which copies the files that
# pages link to.
_FIRST = 100


def _repository_url(app: Sphinx, link: nodes.Element) -> str | None:
    """Return the URL of a link's target in the repository, or None if the target is a page or does not exist."""
    target = link["reftarget"]
    if link.get("refdomain") == "doc":
        if target in app.env.found_docs:
            return None
        path = f"{target}.md"
    else:
        path = os.path.normpath(Path(app.env.docname).parent / target)
    file = Path(app.srcdir) / path
    if target.startswith("#") or not file.exists():
        return None
    return f"{REPOSITORY}/{'tree' if file.is_dir() else 'blob'}/main/{path}"


def _link_to_repository(app: Sphinx, document: nodes.document) -> None:
    for kind in (addnodes.pending_xref, addnodes.download_reference):
        for link in list(document.findall(kind)):
            if link.get("reftype") == "myst" and (url := _repository_url(app, link)):
                text = [child for inner in link.children for child in inner.children]
                link.replace_self(nodes.reference("", "", *text, refuri=url))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-read", _link_to_repository, priority=_FIRST)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
