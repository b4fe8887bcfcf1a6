"""`GET /` returns the built page with its files, or the fallback page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from functions.agent.http import page_routes
from tests.support.api import Api, problem


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Create the folder of the page's files with the fallback page."""
    (tmp_path / "unbuilt.html").write_text("<h1>not built</h1>")
    monkeypatch.setattr(page_routes, "_FOLDER", tmp_path)
    page_routes._index.cache_clear()
    page_routes._assets.cache_clear()
    yield tmp_path
    page_routes._index.cache_clear()
    page_routes._assets.cache_clear()


@pytest.fixture
def built(folder: Path) -> Path:
    """Create the folder of the page's files with a built page."""
    (folder / "built" / "assets").mkdir(parents=True)
    (folder / "built" / "index.html").write_text('<script type="module" src="./assets/index-1a2b.js"></script>')
    (folder / "built" / "assets" / "index-1a2b.js").write_text("void 0")
    (folder / "built" / "assets" / "index-3c4d.css").write_text("a {}")
    (folder / "built" / "assets" / "notes.txt").write_text("not for the browser")
    return folder


def _has_security_headers(answer: httpx.Response) -> bool:
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    return answer.headers["x-content-type-options"] == "nosniff"


def test_the_fallback_page_is_served_without_a_build(api: Api, folder: Path) -> None:
    """Without a build, the API returns the fallback page."""
    assert folder.is_dir()
    answer = api.ask("GET", "/")
    assert (answer.status_code, answer.text) == (200, "<h1>not built</h1>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert _has_security_headers(answer)
    problem(api.ask("GET", "/assets/index-1a2b.js"), 404)


def test_browsers_cache_the_pages_files(api: Api, built: Path) -> None:
    """Browsers revalidate the page at every request and cache its files."""
    assert built.is_dir()
    answer = api.ask("GET", "/")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    assert _has_security_headers(answer)
    for name, kind in {"index-1a2b.js": "text/javascript", "index-3c4d.css": "text/css"}.items():
        file = api.ask("GET", f"/assets/{name}")
        assert (file.status_code, file.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert _has_security_headers(file)


@pytest.mark.parametrize("name", ["notes.txt", "..%2Findex.html", "%2Fetc%2Fpasswd", "..%2F..%2Funbuilt.html", "x"])
def test_no_other_files_are_served(api: Api, built: Path, name: str) -> None:
    """The API serves only the files that Vite built for the browser, for any path in the request."""
    assert built.is_dir()
    problem(api.ask("GET", f"/assets/{name}"), 404)


def test_the_fallback_page_has_no_scripts_and_styles(api: Api) -> None:
    """The fallback page has no script, no style and no URL except the API's."""
    text = (Path(page_routes.__file__).parent / "static" / "unbuilt.html").read_text()
    assert "<script" not in text
    assert "<style" not in text
    assert "//" not in text
    assert "make run" in text
    assert api.ask("GET", "/").status_code == 200
