"""Exchanges for tests."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from shared.ids import timestamp_of
from shared.models import Exchange, Message
from shared.stores.archive import Window
from shared.stores.cache import Cache

_counter = itertools.count()
MOMENT = datetime(2026, 3, 4, 5, 6, 7, 891_234, tzinfo=UTC)


def _new_id() -> UUID:
    """Return a UUIDv7 that is newer than the previous ids. Its timestamp is never ahead of the clock."""
    return UUID(int=int(time.time() * 1000) << 80 | 0x7 << 76 | 0b10 << 62 | next(_counter))


def exchange(
    number: int | str = 0,
    thread_id: str = "t",
    user_id: str | None = None,
    *,
    exchange_id: UUID | None = None,
    created_at: datetime | None = None,
    document_ids: tuple[str, ...] = (),
) -> Exchange:
    """Return an exchange of the texts `q<number>` and `a<number>`, with a new UUIDv7 by default."""
    used_id = exchange_id or _new_id()
    moment = created_at or (timestamp_of(used_id) if used_id.version == 7 else datetime.now(UTC))
    return Exchange(used_id, thread_id, user_id, f"q{number}", f"a{number}", moment, document_ids)


def exchanges(count: int, thread_id: str = "t", user_id: str | None = None) -> list[Exchange]:
    """Return exchanges numbered from 0, in order."""
    return [exchange(number, thread_id, user_id) for number in range(count)]


def texts(messages: Iterable[Message]) -> list[str]:
    """Return the messages' contents."""
    return [message.content for message in messages]


def contents_of(*numbers: int | str) -> list[str]:
    """Return the contents of the numbered exchanges."""
    return [f"{side}{number}" for number in numbers for side in "qa"]


def refill(cache: Cache, thread_id: str, window: Window) -> None:
    """Refill a thread's list with this window, as a reader does."""
    cache.refill(thread_id, window, cache.read(thread_id, None))


def said(
    user_message: str, assistant_message: str = "ok", thread_id: str = "t", user_id: str | None = "ana"
) -> Exchange:
    """Return an exchange with these texts. Each one is later than the last one."""
    used_id = _new_id()
    return Exchange(used_id, thread_id, user_id, user_message, assistant_message, timestamp_of(used_id))
