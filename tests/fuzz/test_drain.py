"""Random records reach the sync function. One record never fails a batch, and none is dropped unparsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.sync.drain import Drain
from functions.sync.received import SqsRecord
from shared.errors import InvalidRecord, StoreUnavailable
from shared.testing import InMemoryArchive, InMemoryCache
from tests.support import random_input
from tests.support.exchanges import exchange

_GOOD = exchange(1, "survivor")
_RECORD = {"messageId": "good", "receiptHandle": "good", "body": _GOOD.to_wire(), "attributes": {}}


class _Queue:
    """Records dead letters; the drain uses nothing else while L2 responds."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.dead: list[tuple[str, str, str]] = []
        self._is_away = is_away

    def dead_letter(self, message: SqsRecord, reason: str, detail: str) -> None:
        """Record a dead letter."""
        if self._is_away:
            raise StoreUnavailable("queue")
        assert reason
        assert detail
        self.dead.append((message.body, reason, detail))

    def change_visibility(self, messages: Sequence[SqsRecord], seconds: int) -> None:
        """Do nothing."""
        raise AssertionError((messages, seconds))


def _drained(records: Sequence[object]) -> tuple[InMemoryArchive, list[tuple[str, str, str]]]:
    archive, queue = InMemoryArchive(), _Queue()
    outcome = Drain(archive, InMemoryCache(), queue).run(records)
    assert outcome.failed == []
    assert outcome.stored + outcome.duplicates + len(queue.dead) == len(records)
    return archive, queue.dead


@random_input.fuzz
@given(st.data(), st.integers(0, 5))
def test_one_record_fails_no_batch(data: st.DataObject, many: int) -> None:
    """Every record has the same outcome as alone: stored, or dead-lettered with a reason.

    The valid record is stored.
    """
    others = [data.draw(random_input.records(number)) for number in range(many)]
    at = data.draw(st.integers(0, many))

    archive, dead = _drained([*others[:at], _RECORD, *others[at:]])

    assert dead == [letter for record in others for letter in _drained([record])[1]]
    stored = [message.content for message in archive.messages("survivor", 10, None, descending=False)]
    assert stored[:2] == [_GOOD.user_message, _GOOD.assistant_message]


@random_input.fuzz
@given(random_input.values | random_input.damaged_fields(_RECORD))
def test_a_malformed_record(record: Any) -> None:
    """The record is parsed, or refused with its message id. Its receive count fits an exponent."""
    try:
        message, reason = SqsRecord.from_record(record), ""
    except InvalidRecord as refused:
        message, reason = SqsRecord.unreadable(record), refused.reason

    assert reason in {"", "no_record"}
    assert message.message_id
    assert message.body or not reason
    assert 0 <= message.receive_count < 10_000


@pytest.mark.parametrize(
    ("record", "name"), [({"messageId": "m1", "body": 1}, "m1"), ({}, "-"), (None, "-"), ("x", "-")]
)
def test_a_record_that_cannot_be_dead_lettered_stays(record: Any, name: str) -> None:
    """The response names the record if the dead-letter queue is down. A record without an id fails the batch."""
    outcome = Drain(InMemoryArchive(), InMemoryCache(), _Queue(is_away=True)).run([record, _RECORD])

    assert outcome.failed == [name]
    assert outcome.stored == 1
