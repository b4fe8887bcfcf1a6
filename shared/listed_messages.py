"""The messages of a Redis list. Entries are parsed as JSON first, and converted to `Message` only on access."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self, overload
from uuid import UUID

from shared.ids import acceptance_key
from shared.metadata import encode_metadata
from shared.models import Message

Fields = dict[str, Any]
_NIL: Final = UUID(int=0)


class ListedMessages(Sequence[Message]):
    """A window of messages, oldest first.

    Attributes:
        fields: The entries as JSON objects with `role` and `content`. The project's own entries also have
            `exchange_id`, `order` and `created_at`, in the format that `merge.lua` compares, and imports have
            `accepted_at`. Foreign entries, which other programs wrote, have none of these.
    """

    __slots__ = ("_messages", "fields")

    def __init__(self, fields: list[Fields] | None = None) -> None:
        self.fields = [] if fields is None else fields
        self._messages: list[Message] | None = None

    @property
    def messages(self) -> list[Message]:
        """All entries as messages."""
        if self._messages is None:
            self._messages = [_message(fields) for fields in self.fields]
        return self._messages

    def __len__(self) -> int:
        return len(self.fields)

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    @overload
    def __getitem__(self, index: int) -> Message: ...

    @overload
    def __getitem__(self, index: slice) -> ListedMessages: ...

    def __getitem__(self, index: int | slice) -> Message | ListedMessages:
        return ListedMessages(self.fields[index]) if isinstance(index, slice) else _message(self.fields[index])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ListedMessages):
            return self.fields == other.fields
        return self.messages == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # compared by content, like any sequence

    def without(self, cutoff: UUID | None, deleted: Collection[UUID]) -> Self:
        """Return the messages without deleted ones."""
        if cutoff is None and not deleted:
            return self
        cutoff_text, deleted_ids = str(cutoff or ""), {str(exchange_id) for exchange_id in deleted}
        return type(self)(
            [
                each
                for each in self.fields
                if "order" not in each or (_acceptance(each) > cutoff_text and each["exchange_id"] not in deleted_ids)
            ]
        )

    def of_user(self, user_id: str | None) -> Self:
        """Return the messages of this user's exchanges."""
        own_ids = {
            each["exchange_id"] for each in self.fields if _is_user_message(each) and each.get("user_id") == user_id
        }
        return type(self)([each for each in self.fields if each.get("exchange_id") in own_ids])

    def owners(self) -> set[str | None]:
        """Return the exchanges' users; an empty set if an entry is foreign or an exchange lacks its user message."""
        users = {each["exchange_id"]: each.get("user_id") for each in self.fields if _is_user_message(each)}
        return set(users.values()) if all(each.get("exchange_id") in users for each in self.fields) else set()

    def to_json(self) -> list[Fields]:
        """Return the messages in the API's JSON, like `Message.to_json`."""
        return [_to_json(each) for each in self.fields]


def fields_of(messages: Sequence[Message]) -> list[Fields]:
    """Return messages as JSON objects with at least the API's fields."""
    return messages.fields if isinstance(messages, ListedMessages) else [message.to_json() for message in messages]


def newest_order(messages: Sequence[Message]) -> UUID | None:
    """Return the order key of the last message that is not imported; None without one, or if its entry is foreign."""
    if not isinstance(messages, ListedMessages):
        return next((message.order for message in reversed(messages) if message.accepted_at is None), None)
    order = next((each.get("order") for each in reversed(messages.fields) if "accepted_at" not in each), None)
    return None if order is None else UUID(order)


def messages_json(messages: Sequence[Message]) -> list[Fields]:
    """Return messages in the API's JSON."""
    return messages.to_json() if isinstance(messages, ListedMessages) else fields_of(messages)


def _is_user_message(fields: Fields) -> bool:
    return fields["role"] == "user" and "order" in fields


def _acceptance(fields: Fields) -> str:
    accepted_at = fields.get("accepted_at")
    if isinstance(accepted_at, str) and (moment := _moment(accepted_at)) is not None:
        return str(acceptance_key(_NIL, moment))
    return str(fields["order"])


def _to_json(fields: Fields) -> Fields:
    message = {
        "role": fields["role"],
        "content": fields["content"],
        "exchange_id": fields.get("exchange_id"),
        "created_at": fields.get("created_at"),
    }
    if "metadata" in fields and isinstance(fields["metadata"], dict):
        message["metadata"] = fields["metadata"]
    if "revision" in fields and (revision := _revision(fields)):
        message["revision"] = revision
    return message


def _message(fields: Fields) -> Message:
    try:
        exchange_id, order = UUID(fields["exchange_id"]), UUID(fields["order"])
    except (KeyError, ValueError):
        return Message(fields["role"], fields["content"])
    user_id, metadata = fields.get("user_id"), fields.get("metadata")
    return Message(
        role=fields["role"],
        content=fields["content"],
        exchange_id=exchange_id,
        created_at=_moment(fields["created_at"]),
        order=order,
        user_id=user_id if isinstance(user_id, str) else None,
        metadata=encode_metadata(metadata) if isinstance(metadata, dict) else None,
        revision=_revision(fields),
        accepted_at=_moment(fields["accepted_at"]) if "accepted_at" in fields else None,
    )


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, TypeError):
        return None


def _revision(fields: Fields) -> int:
    revision = fields.get("revision", 0)
    return revision if isinstance(revision, int) else 0
