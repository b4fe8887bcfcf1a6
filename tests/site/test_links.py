"""The site has every page, and each of its links leads to something that exists."""

from __future__ import annotations

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.site.conftest import REPOSITORY, ROOT, SITE

_SOURCES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("clients/*/README.md")]
_PYTHON = ROOT / ".venv-docs" / "bin" / "python"


class _Document(HTMLParser):
    """The addresses and ids in an HTML file.

    Attributes:
        links: The targets of links.
        loaded: The files that the browser loads with the page.
        ids: The ids that an anchor can name.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.ids: set[str] = set()
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect a tag's addresses and id."""
        for name, value in attrs:
            if value and name == "id":
                self.ids.add(value)
            elif value and name in {"href", "src"}:
                (self.links if tag == "a" else self.loaded).add(value)


@pytest.fixture(scope="module")
def documents(site: Path) -> dict[Path, _Document]:
    """Return the site's pages by their paths."""
    return {path: _Document(path) for path in site.rglob("*.html")}


def test_every_document_is_a_page(site: Path) -> None:
    """Each Markdown file of the documentation is a page, and a folder shows its README."""
    for source in _SOURCES:
        page = site / source.relative_to(ROOT).with_suffix(".html")
        assert page.is_file(), source
        if source.name == "README.md":
            assert page.with_name("index.html").read_text() == page.read_text()


def test_no_page_loads_a_file_of_another_site(documents: dict[Path, _Document]) -> None:
    """The pages load only files of the site."""
    for path, document in documents.items():
        for address in document.loaded:
            parts = urlsplit(address)
            assert not f"{parts.scheme}{parts.netloc}", f"{path}: {address}"
            assert (path.parent / unquote(parts.path)).exists(), f"{path}: {address}"


def test_links_name_existing_pages_and_files(documents: dict[Path, _Document]) -> None:
    """A link within the site names an existing page and anchor. A link to the repository names an existing file."""
    for path, document in documents.items():
        for link in document.links:
            parts = urlsplit(link)
            if source := re.fullmatch(rf"{REPOSITORY}/(?:blob|tree)/main/([^#]+)(?:#.*)?", link):
                assert (ROOT / source[1]).exists(), f"{path}: {link}"
            elif not parts.scheme:
                target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                assert target.is_relative_to(SITE)
                assert target.exists(), f"{path}: {link}"
                if parts.fragment and target.suffix == ".html":
                    assert unquote(parts.fragment) in documents[target].ids, f"{path}: {link}"


@pytest.mark.usefixtures("site")
def test_dead_links_fail_the_build(tmp_path: Path) -> None:
    """The build fails if a link names a page, a heading, a file or a picture that does not exist, and names each."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "README.md").write_text("# Documentation\n\n## Existing\n")
    links = ["docs/README.md#existing", "missing-page.md", "docs/README.md#missing-heading", "missing-file.py"]
    text = "".join(f"[a link]({link})\n\n" for link in links)
    (tmp_path / "README.md").write_text(f"# Title\n\n{text}![a picture](missing-picture.png)\n")
    options = ["--conf-dir", "infra/site", "--builder", "dummy", "--quiet", "--fail-on-warning"]
    command: list[str | Path] = [_PYTHON, "-m", "sphinx", *options, tmp_path, tmp_path / "built"]
    built = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 1
    assert set(re.findall(r"missing-\w+", built.stderr)) == {
        f"missing-{kind}" for kind in ("page", "heading", "file", "picture")
    }
    assert built.stderr.count("WARNING") == 4
