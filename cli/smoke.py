"""`hybrid-memory smoke`: stores, reads and deletes an exchange through the API to test a deployment."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Final

import typer

from cli import connect
from cli.command import PROBLEM_FOUND, UNREACHABLE, command
from cli.deployment import Deployment
from cli.doctor import print_findings
from cli.options import AsJson
from cli.output import endpoints_as_json, print_endpoints, print_json
from cli.smoke_steps import SmokeTest

# Long enough for the slowest drain: a paused database takes about 15 s, and SQS redelivers a message after 90 s.
_WAIT_SECONDS: Final = 120
Wait = Annotated[int, typer.Option("--wait", metavar="SECONDS", min=1, help="Maximum time for the drain.")]
OtherToken = Annotated[
    str | None,
    typer.Option(
        help="Token of another user, who must not be able to read the thread. Prefer HYBRID_MEMORY_OTHER_TOKEN.",
        envvar="HYBRID_MEMORY_OTHER_TOKEN",
        show_envvar=False,
    ),
]


@command
def smoke(
    deployment: Deployment, *, other_token: OtherToken = None, wait: Wait = _WAIT_SECONDS, as_json: AsJson = False
) -> None:
    """Test a deployment: write a thread, read it, wait for the drain, delete it.

    The test needs only the API's URL, and a token if the API requires one. The thread has a new id, and the test
    deletes it even after a failure. With --other-token, the test also tries to read the thread as another user.

    \b
    Exit codes:
      1  a check failed
      3  the API, or a server behind it, did not respond

    \b
    Examples:
      hybrid-memory smoke
      hybrid-memory smoke --json | jq '.findings[] | select(.state != "ok")'
      hybrid-memory smoke --api-url https://api.example/prod --wait 300
    """
    # A SIGTERM raises KeyboardInterrupt, so that the thread is deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    test = SmokeTest(
        connect.api(deployment),
        anonymous=connect.api_with_token(deployment, None) if deployment.token() else None,
        other=connect.api_with_token(deployment, other_token) if other_token else None,
        wait_seconds=wait,
    )
    findings = test.run()
    states = Counter(finding.state for finding in findings)
    if as_json:
        findings_as_json = [asdict(finding) for finding in findings]
        answer = {"thread_id": test.thread_id, "findings": findings_as_json, "states": dict(states)}
        print_json({**answer, "sources": endpoints_as_json(deployment.used_endpoints)})
    else:
        print_endpoints(deployment)
        print_findings(findings, states)
    if states["unreachable"]:
        raise typer.Exit(UNREACHABLE)
    if states["warning"] or states["fault"]:
        raise typer.Exit(PROBLEM_FOUND)
