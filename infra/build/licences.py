"""Checks the licences of all runtime dependencies, without the network: `python -m infra.build.licences`.

The packages are those of the functions' artifacts, the local stack, the deployment in a container and the page's
bundle. Their licences are in the metadata of the installed packages and in the npm lock files.
requirements/licences.toml lists the allowed licences, and the reason for each exception.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Container, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

ROOT: Final = Path(__file__).resolve().parents[2]
POLICY: Final = ROOT / "requirements" / "licences.toml"
REQUIREMENTS: Final = ("agent", "sync", "derive", "migrate", "deploy", "local", "embeddings")
LOCKS: Final = tuple(f"clients/{name}/package-lock.json" for name in ("page", "react", "typescript"))
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", re.MULTILINE)
_CLASSIFIER: Final = "License :: "


def main() -> int:
    """Print the packages without an allowed licence, or their number if each has one. Return the exit code."""
    policy = tomllib.loads(POLICY.read_text())
    licences = python_licences(policy) | page_licences()
    problems = list(find_problems(licences, policy))
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"The licences of all {len(licences)} runtime dependencies are compatible with Apache-2.0.")
    return 1 if problems else 0


def python_licences(policy: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the licence of each Python package; None if the package declares no known licence."""
    texts = [(ROOT / "requirements" / f"{name}.txt").read_text() for name in REQUIREMENTS]
    names = sorted({match[1] for text in texts for match in _PIN.finditer(text)})
    return {name: installed_licence(name, policy) for name in names}


def page_licences() -> dict[str, str | None]:
    """Return the licence of each npm package that the browser loads or an npm package requires."""
    locks = [json.loads((ROOT / name).read_text())["packages"] for name in LOCKS]
    return {
        path.removeprefix("node_modules/"): package.get("license")
        for lock in locks
        for path, package in lock.items()
        if path and not package.get("dev")
    }


def find_problems(licences: Mapping[str, str | None], policy: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each package without an allowed licence, and for each unnecessary exception."""
    exceptions = policy["exceptions"]
    for name, licence in licences.items():
        allowed = {*policy["allowed"], exceptions.get(name, {}).get("licence")}
        if licence is None:
            yield f"{name} declares no licence that is known: add its name to {POLICY.name}."
        elif not is_allowed(licence, allowed):
            yield f"{name} has the licence {licence}, which {POLICY.name} does not allow."
    for name in exceptions:
        licence = licences.get(name)
        if licence is None or is_allowed(licence, policy["allowed"]):
            yield f"{POLICY.name} has an exception for {name}, which needs none."


def installed_licence(name: str, policy: Mapping[str, Any]) -> str | None:
    """Return the licence that a package declares, as an SPDX expression; None if it declares no known licence."""
    try:
        package = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        licence: str | None = policy["not-installed"].get(name)
        return licence
    names: Mapping[str, str] = policy["names"]
    for text in (*(package.get_all("License-Expression") or ()), *(package.get_all("License") or ())):
        if text.strip() and (expression := _expression(text, names)):
            return expression
    classifiers = [text for text in package.get_all("Classifier") or [] if text.startswith(_CLASSIFIER)]
    licences = [names.get(text.rpartition(" :: ")[2]) for text in classifiers]
    return " AND ".join(f"({each})" for each in licences if each) if licences and all(licences) else None


def is_allowed(expression: str, allowed: Container[str | None]) -> bool:
    """Return whether an SPDX expression can be fulfilled with the allowed licences.

    Raises:
        InvalidLicenseExpression: It is no SPDX expression.
    """
    return _any_of(re.findall(r"[()]|[^\s()]+", canonicalize_license_expression(expression)), allowed)


def _any_of(words: list[str], allowed: Container[str | None]) -> bool:
    results = [_all_of(words, allowed)]
    while words and words[0] == "OR":
        del words[0]
        results.append(_all_of(words, allowed))
    return any(results)


def _all_of(words: list[str], allowed: Container[str | None]) -> bool:
    results = [_one(words, allowed)]
    while words and words[0] == "AND":
        del words[0]
        results.append(_one(words, allowed))
    return all(results)


def _one(words: list[str], allowed: Container[str | None]) -> bool:
    word = words.pop(0)
    if word == "(":
        result = _any_of(words, allowed)
        del words[0]  # the closing parenthesis
        return result
    if words[:1] == ["WITH"]:
        word = " ".join([word, words.pop(0), words.pop(0)])
    return word in allowed


def _expression(text: str, names: Mapping[str, str]) -> str | None:
    first_line = text.strip().splitlines()[0].strip()
    if first_line in names:
        return names[first_line]
    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return None


if __name__ == "__main__":
    sys.exit(main())
