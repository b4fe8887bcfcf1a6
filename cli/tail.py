"""`hybrid-memory tail`: follows a thread's or a user's messages."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Final

import typer

from cli import connect
from cli.api import PAGE_SIZE, format_error, is_outage
from cli.arguments import OptionalUserId, check_optional
from cli.command import command
from cli.deployment import Deployment
from cli.follow import ThreadFollower, UserFollower
from cli.options import AsJson
from cli.output import echo, print_endpoints, print_json, printable, styled, warn
from hybrid_memory_client import MemoryClientError, Message

_MAX_DELAY: Final = 30.0
_Poll = Callable[[], Iterable[tuple[str, Message]]]


@command
def tail(
    deployment: Deployment,
    thread: Annotated[
        str | None, typer.Argument(metavar="[THREAD]", help="The thread's id.", callback=check_optional)
    ] = None,
    *,
    user: OptionalUserId = None,
    messages: Annotated[
        int, typer.Option(min=0, max=PAGE_SIZE, help="Number of existing messages to show first.")
    ] = 10,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two readings.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Follow a thread, or all threads of a user: print new messages until Ctrl-C.

    Each message is printed once, also if the API was unreachable for a while. The command asks only the API. A thread's
    message appears when it is accepted. With --user, it appears when it is drained, usually after one or two seconds,
    and existing messages are not printed. The command skips two kinds of messages: a message that becomes visible more
    than ten minutes after a newer one, such as a redriven dead letter, and an imported message with a date in the past.

    With --json, each message is one line, as in `threads export`.

    \b
    Examples:
      hybrid-memory tail demo
      hybrid-memory tail --user ada
      hybrid-memory tail demo --messages 0 --json | jq -r .content
    """
    if (thread is None) == (user is None):
        raise typer.BadParameter("give either THREAD or --user.")
    api = connect.api(deployment)
    print_endpoints(deployment)
    reader: _Reader
    if thread is not None:
        follower = ThreadFollower(api, thread)
        first = follower.poll()[-messages:] if messages else follower.poll()[:0]
        reader = _Reader(deployment, lambda: ((thread, message) for message in follower.poll()), follower)
        reader.print(((thread, message) for message in first), as_json=as_json)
    else:
        assert user is not None  # noqa: S101 - checked above
        user_follower = UserFollower(api, user)
        for _ in user_follower.poll():
            pass  # these messages existed before the command
        reader = _Reader(deployment, user_follower.poll, user_follower, has_thread_names=True)
    warn(styled("Following new messages. Ctrl-C ends it.", "quiet", sys.stderr))
    reader.follow(interval, as_json=as_json)


class _Reader:
    """Polls a follower and prints its messages.

    Args:
        deployment: Has the API's URL for error messages.
        poll: Returns the new messages.
        follower: Has the layers that did not respond.
        has_thread_names: Whether to print the thread of each message.
    """

    def __init__(
        self,
        deployment: Deployment,
        poll: _Poll,
        follower: ThreadFollower | UserFollower,
        *,
        has_thread_names: bool = False,
    ) -> None:
        self._deployment = deployment
        self._poll = poll
        self._follower = follower
        self._has_thread_names = has_thread_names
        self._problem: str | None = None

    def follow(self, interval: float, *, as_json: bool) -> None:
        """Print new messages until Ctrl-C. During an outage, the readings become rarer.

        Raises:
            MemoryClientError: The API refused a reading.
        """
        delay = interval
        while True:
            time.sleep(delay)
            try:
                self.print(self._poll(), as_json=as_json)
            except MemoryClientError as error:
                if not is_outage(error):
                    raise
                url = self._deployment.used_endpoints["api_url"].url
                self._report(f"{printable(format_error(error, url))} Trying again.")
                delay = min(2 * delay, _MAX_DELAY)
                continue
            delay = interval
            layers = ", ".join(self._follower.degraded)
            self._report(f"{layers} did not respond. Messages may appear late." if layers else None)

    def print(self, messages: Iterable[tuple[str, Message]], *, as_json: bool) -> None:
        """Print messages."""
        for thread_id, message in messages:
            if as_json:
                print_json({"kind": "message", "thread_id": thread_id, **message.raw}, on_one_line=True)
                continue
            thread = f"{styled(printable(thread_id), 'id')} " if self._has_thread_names else ""
            time_text = styled(self._time(message), "time")
            echo(f"{time_text} {thread}{printable(message.role)}: {printable(message.content)}")

    def _time(self, message: Message) -> str:
        if self._deployment.is_verbose or message.created_at is None:
            return str(message.raw["created_at"])
        local = message.created_at.astimezone()
        is_today = local.date() == datetime.now().astimezone().date()
        return f"{local:%H:%M:%S}" if is_today else f"{local:%Y-%m-%d %H:%M}"

    def _report(self, problem: str | None) -> None:
        """Print a problem once, and its end."""
        if problem == self._problem:
            return
        warn(problem or "All layers respond again.")
        self._problem = problem
