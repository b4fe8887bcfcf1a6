"""Selects the files of installed packages that go into an artifact.

A function needs modules, data and licences. This module removes files that no running function needs (tests, types,
documents), and large parts of packages that no function can reach. The tests run the built artifacts with every kind of
model, so they fail if a function needs a removed part.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_DIRECTORIES: Final = frozenset({"__pycache__", ".agents", "test", "tests"})
_FILES: Final = ("*.pyi", "*.md", "*.pyx", "*.pxd", "*.h", "py.typed", "test_*.py", "*_test.py", "conftest.py")

# These files of a package's installation record are removed: they contain paths and times, or are wrong in an artifact.
# Functions read only the version and the entry points, and the licences must accompany the code.
_RECORDS: Final = (
    "RECORD",
    "INSTALLER",
    "REQUESTED",
    "WHEEL",
    "direct_url.json",
    "uv_*.json",
    "top_level.txt",
    "sboms",
)

_UNUSED: Final = (
    # Console scripts, and the installation's lock.
    "bin",
    ".lock",
    # The second of two documentation pages; `/docs` is the first.
    "fastapi_offline/static/redoc.standalone.js",
    # A second API framework with its own page, and tools. This project uses neither.
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/auth_alpha",
    "aws_lambda_powertools/utilities/circuit_breaker",
    "aws_lambda_powertools/utilities/data_classes",
    "aws_lambda_powertools/utilities/data_masking",
    "aws_lambda_powertools/utilities/feature_flags",
    "aws_lambda_powertools/utilities/idempotency",
    "aws_lambda_powertools/utilities/kafka",
    "aws_lambda_powertools/utilities/parser",
    # cffi generates bindings; the generated code needs only `_cffi_backend`.
    "cffi",
    "pycparser",
    # Google's interfaces, which one package of OpenTelemetry requires but does not import.
    "google/api",
    "google/cloud",
    "google/gapic",
    "google/logging",
    "google/longrunning",
    "google/rpc",
    "google/type",
    # Parts of numpy that it imports at their first use. The local model of embeddings multiplies matrices.
    "numpy/f2py",
    "numpy/fft",
    "numpy/ma",
    "numpy/polynomial",
    "numpy/random",
    "numpy/testing",
    # Parts of OpenTelemetry other than traces: logs, metrics, file configuration, and their attribute names.
    "opentelemetry/exporter/otlp/proto/http/_log_exporter",
    "opentelemetry/exporter/otlp/proto/http/metric_exporter",
    "opentelemetry/sdk/_configuration",
    "opentelemetry/sdk/_logs",
    "opentelemetry/sdk/metrics",
    "opentelemetry/semconv/_incubating/attributes/[!_o]*",
    "opentelemetry/semconv/_incubating/metrics/[!_o]*",
    # Tools for checking and testing a program.
    "pydantic/mypy.py",
    "pydantic/v1/mypy.py",
    "pydantic_ai/models/test.py",
    "starlette/testclient.py",
    # Commands of Redis modules (only core commands are used), and failover by the client.
    "redis/asyncio/multidb",
    "redis/commands/bf",
    "redis/commands/json",
    "redis/commands/search",
    "redis/commands/timeseries",
    "redis/commands/vectorset",
    "redis/multidb",
    # Voice, other front ends, engines for long runs, and providers that `AGENT__MODEL` does not support.
    "pydantic_ai/_cli",
    "pydantic_ai/common_tools",
    "pydantic_ai/durable_exec/dbos",
    "pydantic_ai/durable_exec/prefect",
    "pydantic_ai/durable_exec/temporal",
    "pydantic_ai/models/anthropic",
    "pydantic_ai/models/cohere.py",
    "pydantic_ai/models/google*.py",
    "pydantic_ai/models/groq.py",
    "pydantic_ai/models/huggingface.py",
    "pydantic_ai/models/mistral.py",
    "pydantic_ai/models/openrouter.py",
    "pydantic_ai/models/xai.py",
    "pydantic_ai/realtime",
    "pydantic_ai/ui",
    # Parts of the SDK that this project does not use, because it uses only Chat Completions: assistants, voice,
    # training, account administration.
    "openai/lib/beta",
    "openai/lib/browser.py",
    "openai/lib/computer.py",
    "openai/lib/live",
    "openai/lib/responses_websocket",
    "openai/resources/admin",
    "openai/resources/audio",
    "openai/resources/beta",
    "openai/resources/containers",
    "openai/resources/conversations",
    "openai/resources/evals",
    "openai/resources/fine_tuning",
    "openai/resources/live",
    "openai/resources/realtime",
    "openai/resources/skills",
    "openai/resources/vector_stores",
    "openai/resources/webhooks",
    "openai/types/admin",
    "openai/types/audio",
    "openai/types/beta",
    "openai/types/conversations",
    "openai/types/evals",
    "openai/types/fine_tuning",
    "openai/types/live",
    "openai/types/realtime",
    "openai/types/skills",
    "openai/types/vector_stores",
    "openai/types/webhooks",
)


def prune(directory: Path) -> None:
    """Remove files that no function needs from installed packages."""
    for pattern in _UNUSED:
        _remove(directory.glob(pattern))
    for record in directory.glob("*.dist-info"):
        for pattern in _RECORDS:
            _remove(record.glob(pattern))
        _remove_description(record / "METADATA")
    _remove(path for path in directory.rglob("*") if path.is_dir() and path.name in _DIRECTORIES)
    for pattern in _FILES:
        _remove(path for path in directory.rglob(pattern) if ".dist-info" not in path.parent.as_posix())


def _remove(paths: Iterator[Path]) -> None:
    for path in sorted(paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _remove_description(metadata: Path) -> None:
    """Keep the metadata's fields and remove the README after them."""
    fields, _, _ = metadata.read_text().partition("\n\n")
    metadata.write_text(f"{fields}\n")
