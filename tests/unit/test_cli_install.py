from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"cli", "functions", "hybrid_memory_client", "infra", "shared"}
SOURCES = (ROOT, ROOT / "clients" / "python" / "src")
PACKAGES_FOLDER = "hybrid_memory_cli/packages/"
# Declared distributions depend on these: boto3 on botocore, httpx on anyio, redis[hiredis] on hiredis.
INDIRECT = {"anyio", "botocore", "hiredis"}
# Used if they are installed. No command compares vectors.
OPTIONAL = {"numpy"}
# Distributions whose modules have another name.
NAMES = {"dotenv": "python-dotenv", "pydantic_settings": "pydantic-settings"}


def _imports(file: Path) -> set[str]:
    """Return the modules that a file imports at runtime, without imports that only type checks need."""
    tree = ast.parse(file.read_text())
    type_checking = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    modules = set()
    for node in ast.walk(tree):
        if id(node) in type_checking:
            continue
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules


def _file(module: str) -> Path | None:
    paths = [source / Path(*module.split(".")) for source in SOURCES]
    files = [file for path in paths for file in (path.with_suffix(".py"), path / "__init__.py")]
    return next((file for file in files if file.is_file()), None)


def _imported_modules() -> set[str]:
    """Return every module that the command line may import, directly or through other modules."""
    remaining = [f"cli.{file.stem}" for file in (ROOT / "cli").glob("*.py")]
    remaining += [
        "infra.migrations.env",
        "infra.migrations.schema",
        "infra.migrations.learning_schema",
        "infra.migrations.vector_schema",
    ]  # Alembic imports these modules by their paths
    imported: set[str] = set()
    while remaining:
        module = remaining.pop()
        if module in imported:
            continue
        imported.add(module)
        if module.split(".")[0] in PACKAGES and (file := _file(module)):
            remaining += _imports(file)
    return imported


def _declared() -> set[str]:
    """Return the distributions that `pip install .` installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {re.split(r"[\[<>=~!; ]", line)[0] for line in project["dependencies"]}


def test_declared_dependencies_are_the_command_lines_imports() -> None:
    """`pip install .` installs exactly what the command line imports."""
    packages = {module.split(".")[0] for module in _imported_modules()} - PACKAGES - set(sys.stdlib_module_names)
    assert {NAMES.get(package, package) for package in packages} - INDIRECT - OPTIONAL == _declared()


def test_the_command_line_imports_no_function_code() -> None:
    """The command line imports no code of the Lambda functions."""
    assert not {module for module in _imported_modules() if module.startswith(("functions", "infra.local"))}


def test_the_wheel_contains_the_command_line_only(tmp_path: Path) -> None:
    """The wheel contains each module and data file of the command line, in one folder, and no function or test."""
    script = Path(sys.executable).with_name("hatchling")
    subprocess.run([script, "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())
    folders = {name.split("/")[0] for name in names}
    assert sorted(re.sub("-.*", "", folder) for folder in folders) == ["hybrid_memory", "hybrid_memory_cli"]
    packages = {name.removeprefix(PACKAGES_FOLDER) for name in names if name.startswith(PACKAGES_FOLDER)}
    modules = [file for module in _imported_modules() if module.split(".")[0] in PACKAGES and (file := _file(module))]
    stores = [file for folder in ("cli", "shared/stores") for file in (ROOT / folder).rglob("*.[ls]*")]
    migrations = (ROOT / "infra" / "migrations" / "versions").glob("*.py")
    assert {_relative(file) for file in (*modules, *stores, *migrations)} <= packages
    assert "hybrid_memory_client/py.typed" in packages
    unneeded = ("functions", "infra/aws", "infra/build", "infra/local", "shared/memory", "shared/testing", "tests")
    assert not [name for name in packages if name.startswith(unneeded)]
    assert wheel.stat().st_size < 500_000
    modules = [file for name in packages if name.endswith(".py") and (file := _file(name[:-3].replace("/", ".")))]
    imported = {module for file in modules for module in _imports(file)}
    assert {module.split(".")[0] for module in imported} - PACKAGES - set(sys.stdlib_module_names) <= _installed()
    needed = {file for module in imported if module.split(".")[0] in PACKAGES and (file := _file(module))}
    assert {_relative(file) for file in needed} <= packages


def _installed() -> set[str]:
    """Return the top modules that are installed with the wheel, or used if they are."""
    declared = _declared()
    return declared | {module for module, name in NAMES.items() if name in declared} | INDIRECT | OPTIONAL


def _relative(file: Path) -> str:
    return str(file.relative_to(next(source for source in reversed(SOURCES) if file.is_relative_to(source))))
