"""Finds the AWS actions that the functions' code calls."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import boto3
from botocore import xform_name

ROOT: Final = Path(__file__).parents[2]
_OURS: Final = ("functions", "infra", "shared")
# A batch requires the permission for the single action, which is the value here.
_BATCHES: Final = {
    "SendMessageBatch": "SendMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "DeleteMessageBatch": "DeleteMessage",
}
# These are presigned requests. A token for one of them requires the role's permission.
_SIGNED: Final = {"database_token": "rds-db:connect", "cache_token": "elasticache:Connect"}
_OPERATORS: Final = {ROOT / "shared" / "stores" / "sqs" / name for name in ("admin.py", "age.py", "emulator.py")}
"""The modules of the command line's queue actions. The agent function counts messages with them; a test covers this."""

# Clients of other services and their actions: pydantic-ai calls Converse without streaming.
_HANDED_ON: Final = {"bedrock-runtime": "bedrock:InvokeModel", "secretsmanager": "secretsmanager:GetSecretValue"}


def modules(entry: str) -> list[Path]:
    """Return the project's modules that a module imports directly or indirectly, including itself."""
    found: dict[str, Path] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        path = _path(name)
        if name in found or path is None:
            continue
        found[name] = path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
    return sorted(found.values())


def _path(name: str) -> Path | None:
    if name.split(".", maxsplit=1)[0] not in _OURS:
        return None
    base = ROOT.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def actions(entry: str) -> set[str]:
    """Return the IAM actions that the code reachable from a module needs."""
    sqs = boto3.client("sqs", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    operations = {xform_name(name): name for name in sqs.meta.service_model.operation_names}
    found: set[str] = set()
    for path in modules(entry):
        if path in _OPERATORS:
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id in _SIGNED:
                found.add(_SIGNED[node.func.id])
            if isinstance(node.func, ast.Attribute):
                method = node.func.attr
                if method in operations and _is_client(node.func.value):
                    operation = operations[method]
                    found.add(f"sqs:{_BATCHES.get(operation, operation)}")
                if method == "client" and node.args and isinstance(node.args[0], ast.Constant):
                    service = str(node.args[0].value)
                    if service != "sqs":
                        found.add(_HANDED_ON[service])
    return found


def _is_client(receiver: ast.expr) -> bool:
    name = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
    return name.endswith("client")
