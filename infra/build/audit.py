"""`make audit`: searches for known vulnerabilities in all packages of the requirement files.

pip-audit requests the known vulnerabilities of each release from the package index. An index without this service
responds as if it did not have the packages, which pip-audit counts as a success. So the first request is for a release
with a known vulnerability.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).resolve().parents[2]
# CVE-2024-3651, a denial of service.
_KNOWN: Final = "idna==3.6"
# The packages of LocalStack and checkov. This project uses them only for tests and checks, and cannot upgrade them.
_NOT_AUDITED: Final = frozenset({"check.txt", "localstack.txt"})
_REQUIREMENTS: Final = (_ROOT / "requirements", _ROOT / "clients" / "python" / "requirements")
_PIP_AUDIT: Final = _ROOT / ".venv-build" / "bin" / "pip-audit"


def main(pip_audit: Path = _PIP_AUDIT, *requirements: Path) -> int:
    """Audit the requirement files. Return the exit code, which is 0 if the index cannot report vulnerabilities.

    Args:
        pip_audit: The path of pip-audit.
        requirements: The directories with the hashed requirement files; the project's and its client's by default.
    """
    if not _index_knows_vulnerabilities(pip_audit):
        print(
            f"NOT AUDITED: the configured package index does not report the known vulnerability of {_KNOWN}. "
            "Run `make audit` with an index that reports vulnerabilities.",
            file=sys.stderr,
        )
        return 0
    directories = requirements or _REQUIREMENTS
    paths = (path for directory in directories for path in sorted(directory.glob("*.txt")))
    files = [path for path in paths if path.name not in _NOT_AUDITED]
    # With `--strict`, a package that cannot be audited is a failure, too.
    code = _run(pip_audit, "--strict", *(option for path in files for option in ("-r", str(path)))).returncode
    if code == 0:
        print(f"Audited {', '.join(path.name for path in files)}: no known vulnerability.")
    return code


def _index_knows_vulnerabilities(pip_audit: Path) -> bool:
    with tempfile.TemporaryDirectory() as directory:
        requirements = Path(directory) / "known.txt"
        requirements.write_text(f"{_KNOWN}\n")
        answer = _run(pip_audit, "--no-deps", "--format", "json", "-r", str(requirements), capture_output=True)
    try:
        dependencies = json.loads(answer.stdout)["dependencies"]
    except (ValueError, KeyError):
        return False  # the index did not respond
    return any(dependency.get("vulns") for dependency in dependencies)


def _run(pip_audit: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [str(pip_audit), "--disable-pip", "--progress-spinner", "off", *arguments]
    return subprocess.run(command, check=False, text=True, **options)


if __name__ == "__main__":
    sys.exit(main())
