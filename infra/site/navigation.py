"""The site's navigation: the tables of `docs/README.md`, of the decisions and of the recipes.

GitHub would show a `toctree` as code. So the files have tables only, and each toctree is made from a table when Sphinx
reads the file.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_ROOT = "README"
_OVERVIEW = "docs/README"
_INDEXES = ("docs/decisions/README", "docs/recipes/README")
_GROUP = re.compile(r"^\| \*\*(.+?)\*\* \|")
_PAGE = re.compile(r"^\|.*?\[([^\]]+)\]\(([^)#]+)\.md\) \|")


def _groups(index: str, text: str) -> dict[str, dict[str, str]]:
    """Return the titles of the pages in an index's tables, first by the group above the page's row, then by page."""
    groups: dict[str, dict[str, str]] = {"": {}}
    for line in text.splitlines():
        if group := _GROUP.match(line):
            groups[group[1]] = {}
        elif page := _PAGE.match(line):
            groups[list(groups)[-1]][os.path.normpath(Path(index).parent / page[2])] = page[1]
    return groups


def _toctree(entries: list[str], caption: str = "") -> str:
    options = [":hidden:", f":caption: {caption}"] if caption else [":hidden:"]
    return "\n".join(["\n\n```{toctree}", *options, "", *entries, "```\n"])


def _add_toctrees(app: Sphinx, page: str, content: list[str]) -> None:
    """Append a toctree for each group of pages to the root, and one to each other index."""
    if page == _ROOT:
        app.env.note_dependency(f"{_OVERVIEW}.md")
        groups = _groups(_OVERVIEW, (Path(app.srcdir) / f"{_OVERVIEW}.md").read_text())
        content[0] += _toctree([f"All pages </{_OVERVIEW}>"])
        for caption, titles in groups.items():
            if caption:
                content[0] += _toctree([f"{title} </{page}>" for page, title in titles.items()], caption)
    elif page in _INDEXES:
        pages = {page for titles in _groups(page, content[0]).values() for page in titles}
        content[0] += _toctree([f"/{page}" for page in sorted(pages)])


def _copy_indexes(app: Sphinx, error: Exception | None) -> None:
    """Copy each `README.html` to the `index.html` that a server shows for its folder."""
    if error is None:
        for page in Path(app.outdir).rglob("README.html"):
            shutil.copy(page, page.with_name("index.html"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("source-read", _add_toctrees)
    app.connect("build-finished", _copy_indexes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
