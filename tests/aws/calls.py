"""A search for the AWS actions that the functions' code calls."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import boto3
from botocore import xform_name

ROOT: Final = Path(__file__).parents[2]
_PROJECT_PACKAGES: Final = ("functions", "infra", "shared")
# Each batch action requires the permission for the action on one message.
_SINGLE_ACTIONS: Final = {
    "SendMessageBatch": "SendMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "DeleteMessageBatch": "DeleteMessage",
}
# The action that a role needs for a sign-in token of a store.
_TOKEN_ACTIONS: Final = {"database_token": "rds-db:connect", "cache_token": "elasticache:Connect"}
_COMMAND_LINE_MODULES: Final = {
    ROOT / "shared" / "stores" / "sqs" / name for name in ("admin.py", "age.py", "emulator.py")
}
"""The modules of the command line's queue actions.

The agent function uses these modules only to count messages, so it needs none of their other actions.
A test covers this.
"""

# The actions of other services' clients. pydantic-ai calls Converse without streaming.
_CLIENT_ACTIONS: Final = {"bedrock-runtime": "bedrock:InvokeModel", "secretsmanager": "secretsmanager:GetSecretValue"}


def modules(entry: str) -> list[Path]:
    """Return the project's modules that a module imports directly or indirectly, including itself."""
    paths: dict[str, Path] = {}
    remaining = [entry]
    while remaining:
        name = remaining.pop()
        path = _path(name)
        if name in paths or path is None:
            continue
        paths[name] = path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                remaining += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                remaining += [alias.name for alias in node.names]
    return sorted(paths.values())


def _path(name: str) -> Path | None:
    if name.split(".", maxsplit=1)[0] not in _PROJECT_PACKAGES:
        return None
    base = ROOT.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def actions(entry: str) -> set[str]:
    """Return the IAM actions that a module needs, with all modules that it imports."""
    sqs = boto3.client("sqs", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    operations = {xform_name(name): name for name in sqs.meta.service_model.operation_names}
    needed: set[str] = set()
    for path in modules(entry):
        if path in _COMMAND_LINE_MODULES:
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id in _TOKEN_ACTIONS:
                needed.add(_TOKEN_ACTIONS[node.func.id])
            if isinstance(node.func, ast.Attribute):
                method = node.func.attr
                if method in operations and _is_client(node.func.value):
                    operation = operations[method]
                    needed.add(f"sqs:{_SINGLE_ACTIONS.get(operation, operation)}")
                if method == "client" and node.args and isinstance(node.args[0], ast.Constant):
                    service = str(node.args[0].value)
                    if service != "sqs":
                        needed.add(_CLIENT_ACTIONS[service])
    return needed


def _is_client(receiver: ast.expr) -> bool:
    name = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
    return name.endswith("client")
