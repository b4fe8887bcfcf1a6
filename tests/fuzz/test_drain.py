"""The drain gets random records. No record fails a batch, and each record is stored or dead-lettered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.sync.drain import Drain
from shared.errors import InvalidRecord, StoreUnavailable
from shared.sqs_record import SqsRecord
from shared.testing import InMemoryArchive, InMemoryCache
from tests.support import random_input
from tests.support.exchanges import exchange

_VALID = exchange(1, "survivor")
_RECORD = {"messageId": "good", "receiptHandle": "good", "body": _VALID.to_wire(), "attributes": {}}


class _Queue:
    """A queue that records dead letters. While L2 responds, the drain uses no other method."""

    def __init__(self, *, is_down: bool = False) -> None:
        self.dead_letters: list[tuple[str, str, str]] = []
        self._is_down = is_down

    def dead_letter(self, message: SqsRecord, reason: str, detail: str) -> None:
        """Record a dead letter."""
        if self._is_down:
            raise StoreUnavailable("queue")
        assert reason
        assert detail
        self.dead_letters.append((message.body, reason, detail))

    def change_visibility(self, messages: Sequence[SqsRecord], seconds: int) -> None:
        """Fail the test, because the drain does not change the visibility while L2 responds."""
        raise AssertionError((messages, seconds))


def _drain(records: Sequence[object]) -> tuple[InMemoryArchive, list[tuple[str, str, str]]]:
    archive, queue = InMemoryArchive(), _Queue()
    result = Drain(archive, InMemoryCache(), queue).run(records)
    assert result.failed == []
    assert result.stored + result.duplicates + len(queue.dead_letters) == len(records)
    return archive, queue.dead_letters


@random_input.fuzz
@given(st.data(), st.integers(0, 5))
def test_one_record_fails_no_batch(data: st.DataObject, count: int) -> None:
    """Each record of a batch is dead-lettered if and only if it is dead-lettered alone.

    The drain stores the valid record of the batch.
    """
    others = [data.draw(random_input.records(number)) for number in range(count)]
    position = data.draw(st.integers(0, count))

    archive, dead_letters = _drain([*others[:position], _RECORD, *others[position:]])

    assert dead_letters == [dead_letter for record in others for dead_letter in _drain([record])[1]]
    stored = [message.content for message in archive.messages("survivor", 10, None, descending=False)]
    assert stored[:2] == [_VALID.user_message, _VALID.assistant_message]


@random_input.fuzz
@given(random_input.values | random_input.damaged_fields(_RECORD))
def test_a_malformed_record_is_parsed_or_refused(record: Any) -> None:
    """A record is parsed, or refused with a message id. Its receive count is at most 9999."""
    try:
        message, reason = SqsRecord.from_record(record), ""
    except InvalidRecord as error:
        message, reason = SqsRecord.from_malformed(record), error.reason

    assert reason in {"", "no_record"}
    assert message.message_id
    assert message.body or not reason
    assert 0 <= message.receive_count < 10_000


@pytest.mark.parametrize(
    ("record", "message_id"), [({"messageId": "m1", "body": 1}, "m1"), ({}, "-"), (None, "-"), ("x", "-")]
)
def test_a_record_that_cannot_be_dead_lettered_stays(record: Any, message_id: str) -> None:
    """If the dead-letter queue is down, the result names the invalid record as failed. So SQS delivers it again."""
    result = Drain(InMemoryArchive(), InMemoryCache(), _Queue(is_down=True)).run([record, _RECORD])

    assert result.failed == [message_id]
    assert result.stored == 1
