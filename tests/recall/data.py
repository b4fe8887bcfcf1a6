"""Reads data sets of users, their threads, and questions with the exchanges that hold the answer.

A file is gzipped JSON lines, one user each: `user`, `threads` [{`thread`, `exchanges` [{`n`, `user`, `assistant`}]}]
and `questions` [{`question`, `exchanges` (the numbers of the exchanges that hold the answer), `threads`}].
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from shared.ids import compose_uuid7
from shared.models import Exchange

# The data sets have no exact times. Each exchange is a minute later than the one before it, and each thread a day.
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the exchanges and threads that hold its answer."""

    text: str
    exchange_ids: frozenset[str]
    thread_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class RecallUser:
    """A user of a data set, with the exchanges in the order of the conversation."""

    user_id: str
    exchanges: list[Exchange]
    questions: list[Question]


def read_users(path: Path) -> Iterator[RecallUser]:
    """Yield the users of a data set."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield _user(json.loads(line))


def _user(record: dict[str, Any]) -> RecallUser:
    user_id = record["user"]
    exchanges: list[Exchange] = []
    ids: dict[int, UUID] = {}
    for day, thread in enumerate(record["threads"]):
        for minute, each in enumerate(thread["exchanges"]):
            moment = _BEGIN + timedelta(days=day, minutes=minute)
            ids[each["n"]] = compose_uuid7(round(moment.timestamp() * 1000), each["n"])
            exchanges.append(
                Exchange(
                    ids[each["n"]], f"{user_id}:{thread['thread']}", user_id, each["user"], each["assistant"], moment
                )
            )
    questions = [
        Question(
            each["question"],
            frozenset(str(ids[number]) for number in each["exchanges"]),
            frozenset(f"{user_id}:{name}" for name in each["threads"]),
        )
        for each in record["questions"]
    ]
    return RecallUser(user_id, exchanges, questions)
