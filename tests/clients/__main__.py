"""The command builds the Python client's wheel and tests it on the embedded stack, alone and with each framework.

Usage: python -m tests.clients [a framework's name …]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from infra.local import PROJECT_ROOT
from infra.local.client import StackProcess

PACKAGE: Final = PROJECT_ROOT / "clients" / "python"
FRAMEWORKS: Final = ("agent-framework", "langgraph", "openai-agents", "pydantic-ai", "strands")
_CONTEXT: Final = "user: My name is Ada.\nassistant: Hello, Ada.\n\nUser preferences:\ntone: brief\nfrom redis"
_UV: Final = Path(sys.executable).parent / "uv"


def main(names: list[str]) -> int:
    """Return the number of environments with failing tests."""
    with tempfile.TemporaryDirectory(prefix="hybrid-memory-clients-") as scratch:
        wheel = _build(Path(scratch))
        for name in ("core", *FRAMEWORKS):
            _install(wheel, name)
        with StackProcess(Path(scratch) / "stack", env={"AGENT__MODEL": "offline", "AUTH__MODE": "none"}) as stack:
            environment = {**os.environ, "HYBRID_MEMORY_URL": stack.info["api_url"]}
            failed = [] if names else _alone(environment)
            failed += [name for name in names or FRAMEWORKS if not _passes(name, environment)]
    print("Failed:" if failed else "All passed.", *failed)  # noqa: T201 - for the person who typed the command
    return len(failed)


def _python(name: str) -> Path:
    return PROJECT_ROOT / ".venv-clients" / name / "bin" / "python"


def _build(folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=PACKAGE, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _install(wheel: Path, name: str) -> None:
    """Install the wheel, and check that its requirements are met."""
    options = ["--quiet", "--offline", "--no-deps", "--reinstall", "--python", str(_python(name))]
    subprocess.run([str(_UV), "pip", "install", *options, str(wheel)], check=True)
    subprocess.run([str(_UV), "pip", "check", "--quiet", "--python", str(_python(name))], check=True)


def _alone(environment: dict[str, str]) -> list[str]:
    """Test the client in an environment with httpx only, and return the failures."""
    example = PROJECT_ROOT / "examples" / "client.py"
    ran = subprocess.run([_python("core"), example], env=environment, check=False, stdout=subprocess.PIPE, text=True)
    return [] if ran.returncode == 0 and _CONTEXT in ran.stdout else ["core"]


def _passes(name: str, environment: dict[str, str]) -> bool:
    """Check types and run the tests of this framework."""
    module = name.replace("-", "_")
    print(f"--- {name}", flush=True)  # noqa: T201 - for the person who typed the command
    tests = ["-m", "pytest", "-q", f"tests/test_{module}.py", "tests/test_examples.py"]
    files = [f"src/hybrid_memory_client/{module}.py", f"tests/test_{module}.py"]
    folder = PROJECT_ROOT / "examples"
    examples = [str(path) for path in (*folder.glob(f"{module}_*.py"), *folder.glob(f"{name}-*/*.py"))]
    types = [
        "-m",
        "mypy",
        "--cache-dir",
        f".mypy_cache/{name}",
        *(f"clients/python/{file}" for file in files),
        *examples,
    ]
    # Run both commands, even if the first fails.
    codes = [
        subprocess.run([_python(name), *tests], cwd=PACKAGE, env=environment, check=False).returncode,
        subprocess.run(
            [_python(name), *types], cwd=PROJECT_ROOT, env=environment | {"MYPYPATH": "examples"}, check=False
        ).returncode,
    ]
    return not any(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
