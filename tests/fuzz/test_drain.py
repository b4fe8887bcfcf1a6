"""The drain gets random records. No record fails a batch, and each record is stored or dead-lettered."""

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
    """Records dead letters. While L2 responds, the drain uses no other method of the queue."""

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
        """Fail the test, because the drain does not change the visibility while L2 responds."""
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
    """Each record of a batch is dead-lettered if and only if it is dead-lettered alone.

    The drain stores the valid record of the batch.
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
    """A record is parsed, or refused with a message id. Its receive count is at most 9999."""
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
    """The dead-letter queue is down. The result names the invalid record as failed, so SQS delivers it again."""
    outcome = Drain(InMemoryArchive(), InMemoryCache(), _Queue(is_away=True)).run([record, _RECORD])

    assert outcome.failed == [name]
    assert outcome.stored == 1
