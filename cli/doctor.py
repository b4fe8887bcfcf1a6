"""`hybrid-memory doctor`: checks a deployment."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Final

import typer
from rich.table import Table
from rich.text import Text

from cli.api import format_error, is_outage
from cli.command import PROBLEM_FOUND, UNREACHABLE, command, format_store_error
from cli.deployment import Deployment
from cli.diagnostics import Finding, State
from cli.options import AsJson
from cli.output import (
    STYLES,
    Role,
    console,
    echo,
    endpoints_as_json,
    is_terminal,
    plain_table,
    print_endpoints,
    print_json,
    printable,
    warn,
)
from hybrid_memory_client import ApiError, MemoryClientError, NotThisApi
from shared.errors import SettingsError, StoreUnavailable

_ENDPOINTS: Final = ("api_url", "redis_url", "database_url", "queue_url", "dlq_url")
_NO_RESPONSE_ADVICE: Final = (
    "A server listens, but rejects the connection or does not respond. Check its log, the password and TLS."
)
_MARKS: Final[dict[State, tuple[str, Role]]] = {
    "ok": ("ok", "ok"),
    "warning": ("WARNING", "warning"),
    "fault": ("FAULT", "error"),
    "unreachable": ("UNREACHABLE", "error"),
    "skipped": ("skipped", "quiet"),
}


@command
def doctor(deployment: Deployment, *, as_json: AsJson = False) -> None:
    """Check a deployment and recommend a fix for each problem.

    The command checks versions, ports, the API and the token, Redis (version, eviction, memory, outbox), PostgreSQL
    (version, migrations, a write that is rolled back, the last sweep), the queues (redrive policy, dead letters) and
    the drain (event source, partial batches, visibility timeout). It skips a server whose address is unknown. It
    changes nothing.

    \b
    Exit codes:
      1  a warning or a fault
      3  a server did not respond, or no address is known

    \b
    Examples:
      hybrid-memory doctor
      hybrid-memory doctor --json | jq '.findings[] | select(.state != "ok")'
    """
    findings = list(_run_checks(deployment))
    states = Counter(finding.state for finding in findings)
    if as_json:
        findings_as_json = [asdict(each) for each in findings]
        print_json(
            {
                "findings": findings_as_json,
                "states": dict(states),
                "sources": endpoints_as_json(deployment.used_endpoints),
            }
        )
    else:
        print_endpoints(deployment)
        print_findings(findings, states)
    if not any(deployment.has_address(endpoint) for endpoint in _ENDPOINTS):
        warn(
            "Error: no deployment was checked, because no address is known: set --state-dir of a running local "
            "stack (make run starts one), or --api-url and the other options in hybrid-memory --help."
        )
        raise typer.Exit(UNREACHABLE)
    if states["unreachable"]:
        raise typer.Exit(UNREACHABLE)
    if states["warning"] or states["fault"]:
        raise typer.Exit(PROBLEM_FOUND)


def _run_checks(deployment: Deployment) -> Iterator[Finding]:
    # The import of Alembic and SQLAlchemy takes most of a second, which `--help` does not need.
    from cli.checks import check_api, check_port, check_postgres, check_redis, check_versions  # noqa: PLC0415
    from cli.queue_checks import check_queues  # noqa: PLC0415

    yield from check_versions()
    checks: tuple[tuple[str, str, Callable[[Deployment], Iterator[Finding]]], ...] = (
        ("api", "api_url", check_api),
        ("redis", "redis_url", check_redis),
        ("postgres", "database_url", check_postgres),
        ("queue", "queue_url", check_queues),
    )
    for name, endpoint, check in checks:
        if deployment.has_address(endpoint) and not deployment.belongs_to_deployment_of(endpoint, "api_url"):
            yield _other_deployment_finding(deployment, name, endpoint)
            continue
        port = check_port(deployment, endpoint)
        yield port
        if port.state == "ok":
            yield from _run_check(deployment, name, check)


def _other_deployment_finding(deployment: Deployment, name: str, endpoint: str) -> Finding:
    source, api_source = deployment.source_of(endpoint), deployment.source_of("api_url")
    if source != "environment":
        return Finding(
            name, "skipped", f"Its address is from {source}, which belongs to another deployment than the API."
        )
    advice = "Set both addresses by options or both in the environment, or set only --state-dir."
    return Finding(
        name,
        "warning",
        f"Its address is from the environment (or .env), but the API's is from {api_source}.",
        advice,
    )


def _run_check(
    deployment: Deployment, name: str, check: Callable[[Deployment], Iterator[Finding]]
) -> Iterator[Finding]:
    try:
        yield from check(deployment)
    except SettingsError as error:
        yield Finding(name, "fault", str(error), "Correct the setting.")
    except MemoryClientError as error:
        has_response = isinstance(error, (ApiError, NotThisApi))
        description = format_error(error, deployment.used_endpoints["api_url"].url)
        advice = "Check the API's URL." if has_response else _NO_RESPONSE_ADVICE
        yield Finding(name, "unreachable" if is_outage(error) else "fault", description, advice)
    except StoreUnavailable as error:
        yield Finding(name, "unreachable", format_store_error(error, deployment), _NO_RESPONSE_ADVICE)


def print_findings(findings: list[Finding], states: Counter[State]) -> None:
    """Print each finding, its recommended fix, and the number of findings."""
    if is_terminal():
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("", "check", "found"):
            table.add_column(column, overflow="fold")
        for each in findings:
            mark, role = _MARKS[each.state]
            table.add_row(Text(mark, STYLES[role]), *(Text(printable(cell)) for cell in (each.check, each.found)))
            if each.advice:
                table.add_row("", "", Text(printable(each.advice), "bold"))
        console().print(table)
    else:
        rows = [(_MARKS[each.state][0], each.check, each.found) for each in findings]
        echo(plain_table(("state", "check", "found"), rows))
        for each in findings:
            if each.advice:
                echo(f"{each.check}: {printable(each.advice)}")
    problems = states["warning"] + states["fault"] + states["unreachable"]
    echo(f"{len(findings) - states['skipped']} checks, {problems} found a problem, {states['skipped']} skipped.")
