"""`make sbom`: writes a software bill of materials in CycloneDX's form for each thing that a release ships.

The Python packages are those of the hashed requirement files, and the npm packages are those of the lock files. So the
bills name exactly what a release is built from and tested with, without the network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from shared import __version__

ROOT: Final = Path(__file__).resolve().parents[2]
_TOOL: Final = ROOT / ".venv-packages" / "bin" / "cyclonedx-py"
PYTHON: Final = {
    "hybrid-memory-agent": ("requirements/agent.txt", "application"),
    "hybrid-memory-sync": ("requirements/sync.txt", "application"),
    "hybrid-memory-derive": ("requirements/derive.txt", "application"),
    "hybrid-memory-migrate": ("requirements/migrate.txt", "application"),
    # The command line, and the local stack that it runs against in the tests.
    "hybrid-memory": ("requirements/local.txt", "application"),
    "hybrid-memory-client": ("clients/python/requirements/core.txt", "library"),
}
"""The requirement file of each Python component, and the component's type."""
NPM: Final = {
    "hybrid-memory-page": ("clients/page", "application"),
    "hybrid-memory-react": ("clients/react", "library"),
    "hybrid-memory-typescript": ("clients/typescript", "library"),
}
"""The folder of each npm component, and the component's type."""


def main(folder: Path = ROOT / "dist") -> None:
    """Write all bills of materials into a folder."""
    folder.mkdir(exist_ok=True)
    for name, (requirements, kind) in PYTHON.items():
        _write(folder / f"{name}.cdx.json", python_bill(name, requirements, kind))
    for name, (package, kind) in NPM.items():
        _write(folder / f"{name}.cdx.json", npm_bill(package, kind))


def python_bill(name: str, requirements: str, kind: str) -> dict[str, Any]:
    """Return the bill of materials of a hashed requirement file.

    Raises:
        subprocess.CalledProcessError: The tool failed; it printed the reason.
    """
    command = [str(_TOOL), "requirements", "--pyproject", "pyproject.toml", "--mc-type", kind]
    command += ["--output-reproducible", "--no-validate"]  # the tests validate all bills
    # A requirement file does not contain the dependencies between packages. The tool warns about this.
    environment = os.environ | {"PYTHONWARNINGS": "ignore::UserWarning"}
    bill = _run([*command, requirements], ROOT, environment)
    # The functions are parts of one project, and the client declares its version in its code.
    bill["metadata"]["component"] |= {"name": name, "version": __version__}
    return bill


def npm_bill(package: str, kind: str) -> dict[str, Any]:
    """Return the bill of materials of an npm package's lock file.

    Raises:
        subprocess.CalledProcessError: npm failed; it printed the reason.
    """
    command = ["npm", "sbom", "--package-lock-only", "--omit=dev", "--sbom-format=cyclonedx", f"--sbom-type={kind}"]
    return _run(command, ROOT / package)


def _run(command: list[str], cwd: Path, environment: dict[str, str] | None = None) -> dict[str, Any]:
    ran = subprocess.run(command, cwd=cwd, env=environment, check=True, stdout=subprocess.PIPE)
    bill: dict[str, Any] = json.loads(ran.stdout)
    return bill


def _write(path: Path, bill: dict[str, Any]) -> None:
    path.write_text(json.dumps(bill, indent=2) + "\n")
    print(f"{path}: {len(bill['components'])} components")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
