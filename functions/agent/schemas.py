"""The API's requests as pydantic models, which validate all requests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import unquote
from uuid import UUID

from fastapi import Path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.errors import InvalidRecord
from shared.ids import MAX_ID_LENGTH, id_error, is_time_ordered, path_id_error, timestamp_of
from shared.learning.memories import MAX_MEMORY_TEXT
from shared.metadata import MAX_METADATA_BYTES, metadata_error, metadata_size
from shared.models import MAX_PREFERENCES, MAX_TEXT_LENGTH
from shared.texts import text_error
from shared.wire_fields import parse_time

MAX_PAGE: Final = 200
MAX_SEARCH_ITEMS: Final = 100
_MAX_TITLE: Final = 500
_MAX_PREFERENCE: Final = 20_000
_MAX_LIST: Final = 1_000
TOO_LONG: Final = "text_too_long"


def _check_id(value: str) -> str:
    if error := id_error(value):
        raise PydanticCustomError("invalid_id", "{error}", {"error": error})
    return value


def _check_path_id(value: str) -> str:
    if error := path_id_error(value):
        raise PydanticCustomError("invalid_id", "{error}", {"error": error})
    return value


def _check_text(value: str) -> str:
    if error := text_error(value):
        raise PydanticCustomError("invalid_text", "{error}", {"error": error})
    if len(value) > MAX_TEXT_LENGTH:
        raise PydanticCustomError(TOO_LONG, "must have at most {most} characters", {"most": MAX_TEXT_LENGTH})
    return value


def _check_name(value: str) -> str:
    if error := text_error(value):
        raise PydanticCustomError("invalid_text", "{error}", {"error": error})
    return value


def _check_not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "must contain more than white space")
    return value


def _decode_segment(segment: str) -> str:
    # A segment is decoded after the routing, so that an encoded slash belongs to the id. Invalid UTF-8 becomes a lone
    # surrogate, which the id's validation rejects.
    return unquote(segment, errors="surrogateescape")


def _check_metadata(value: dict[str, Any]) -> dict[str, Any]:
    if error := metadata_error(value):
        raise PydanticCustomError("invalid_metadata", "{error}", {"error": error})
    if metadata_size(value) > MAX_METADATA_BYTES:
        raise PydanticCustomError(TOO_LONG, "must have at most {most} bytes as JSON", {"most": MAX_METADATA_BYTES})
    return value


# The description has no regular expression, because the set of printable characters depends on the Unicode version.
_PRINTABLE: Final = "1 to 255 printable characters."
_LENGTHS: Final[dict[str, Any]] = {"minLength": 1, "maxLength": MAX_ID_LENGTH}
Id = Annotated[
    str,
    AfterValidator(_check_path_id),
    Field(
        description="1 to 255 printable characters, and not `.` or `..`.",
        json_schema_extra={**_LENGTHS, "not": {"enum": [".", ".."]}},
    ),
]
DocumentId = Annotated[str, AfterValidator(_check_id), Field(description=_PRINTABLE, json_schema_extra=_LENGTHS)]
ThreadPath = Annotated[Id, BeforeValidator(_decode_segment), Path()]
UserPath = Annotated[Id, BeforeValidator(_decode_segment), Path()]
_TEXT: Final = (AfterValidator(_check_text), Field(json_schema_extra={"maxLength": MAX_TEXT_LENGTH}))
Text = Annotated[str, *_TEXT]
# The lengths are checked first. After another check, pydantic's message would count items instead of characters.
Name = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH), AfterValidator(_check_name)]
IdempotencyKey = Annotated[
    str, Field(min_length=1, max_length=MAX_ID_LENGTH, description=_PRINTABLE), AfterValidator(_check_id)
]
ExchangePath = Annotated[UUID, Path(description="The exchange's id.")]
MemoryPath = Annotated[UUID, Path(description="The memory's id.")]
MemoryText = Annotated[
    str,
    Field(min_length=1, max_length=MAX_MEMORY_TEXT, json_schema_extra={"pattern": r"\S"}),
    AfterValidator(_check_name),
    AfterValidator(_check_not_blank),
]
Metadata = Annotated[dict[str, Any], AfterValidator(_check_metadata)]
Preference = Annotated[str, Field(max_length=_MAX_PREFERENCE), AfterValidator(_check_name)]


def _read_time(value: object) -> datetime:
    # A number could be seconds or milliseconds, so only text is accepted.
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_time", "must be an ISO 8601 time as text")
    try:
        return parse_time("created_at", value)
    except InvalidRecord as error:
        message = error.detail.removeprefix("created_at ")
        raise PydanticCustomError("invalid_time", "{message}", {"message": message}) from error


Moment = Annotated[datetime, BeforeValidator(_read_time)]
ImportTime = Annotated[
    Moment,
    Field(
        description="When an imported exchange took place: an ISO 8601 time with a time zone, in the past, not before"
        " 1970. It sorts the exchange in its thread. By default, the exchange takes place now."
    ),
]


class _Request(BaseModel):
    # Unknown fields are errors, because a misspelt `thread_id` would silently turn the memory off.
    model_config = ConfigDict(extra="forbid")


Included = Literal["context", "messages", "preferences", "memories", "related"]
ContextTokens = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=10_000_000,
        description="Maximum tokens of `context`. The smaller of this and `MEMORY__MAX_CONTEXT_TOKENS` applies.",
    ),
]


class RunRequest(_Request):
    """Request body of `POST /run`."""

    prompt: Annotated[str, Field(min_length=1), *_TEXT]
    agent_name: Name = "assistant"
    instructions: Text = "You are a helpful assistant."
    tools: list[Name] = Field(default=[], max_length=_MAX_LIST)
    thread_id: Id | None = None
    user_id: Id | None = None
    document_ids: list[DocumentId] = Field(default=[], max_length=_MAX_LIST)
    exchange_id: UUID | None = None
    metadata: Metadata | None = None
    max_context_tokens: ContextTokens | None = None
    include: Annotated[
        list[Included],
        Field(
            max_length=_MAX_LIST,
            description="What `memory.selection` in the response shows of the memory that the agent got. Without any,"
            " there is no `memory.selection`.",
        ),
    ] = []
    replaces: Annotated[
        UUID | None,
        Field(
            description="The id of an exchange to replace. The agent gets only the messages before that exchange. The"
            " new exchange gets its id and its position. Later exchanges stay."
        ),
    ] = None

    @field_validator("replaces")
    @classmethod
    def _check_replaces(cls, value: UUID | None, info: ValidationInfo) -> UUID | None:
        if value is not None and info.data.get("thread_id") is None:
            raise PydanticCustomError("needs_thread", "needs the thread_id of the exchange's thread")
        if value is not None and info.data.get("exchange_id") not in {None, value}:
            raise PydanticCustomError(
                "other_id", "keeps the id of the replaced exchange, so exchange_id must be that id or absent"
            )
        return value


class InvokingRequest(_Request):
    """Request body of `POST /invoking`."""

    thread_id: Id | None = None
    user_id: Id | None = None
    query: Text | None = None
    max_context_tokens: ContextTokens | None = None
    limit: Annotated[
        int | None, Field(strict=True, ge=1, description="Maximum exchanges, up to the window's size.")
    ] = None
    include: list[Included] = Field(default=["context", "messages", "preferences"], max_length=_MAX_LIST)


class InvokedRequest(_Request):
    """Request body of `POST /invoked`: the exchange to store."""

    thread_id: Id | None = None
    user_id: Id | None = None
    user_message: Text
    assistant_message: Text
    document_ids: list[DocumentId] = Field(default=[], max_length=_MAX_LIST)
    exchange_id: UUID | None = None
    metadata: Metadata | None = None
    created_at: ImportTime | None = None

    @field_validator("created_at")
    @classmethod
    def _check_created_at(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        exchange_id = info.data.get("exchange_id")
        if value is not None and exchange_id is not None and is_time_ordered(exchange_id):
            moment = timestamp_of(exchange_id)
            if not moment <= value < moment + timedelta(milliseconds=1):
                raise PydanticCustomError("other_time", "is not in the millisecond of the UUIDv7 in exchange_id")
        return value


class ReplaceRequest(_Request):
    """Request body of `PUT /threads/{thread_id}/exchanges/{exchange_id}`: the exchange's new texts."""

    user_message: Text
    assistant_message: Text
    metadata: Metadata | None = None


class SearchRequest(_Request):
    """Request body of `POST /search`. Without a token the user id is required."""

    user_id: Id | None = None
    query: Annotated[
        str, Field(min_length=1, json_schema_extra={"pattern": r"\S"}), *_TEXT, AfterValidator(_check_not_blank)
    ]
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_SEARCH_ITEMS)] = 10
    thread_id: Id | None = None
    exclude_thread_id: Id | None = None
    since: Annotated[Moment | None, Field(description="Only exchanges from this time on.")] = None
    until: Annotated[Moment | None, Field(description="Only exchanges before this time.")] = None
    kinds: list[Literal["exchange", "memory"]] = Field(default=["exchange"], min_length=1, max_length=_MAX_LIST)

    @field_validator("until")
    @classmethod
    def _check_until(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        since = info.data.get("since")
        if value is not None and since is not None and value <= since:
            raise PydanticCustomError("empty_period", "must be after since")
        return value


class RenameRequest(_Request):
    """Request body of `PATCH /threads/{thread_id}`."""

    title: Annotated[str, Field(min_length=1, max_length=_MAX_TITLE), AfterValidator(_check_name)]


class ThreadsQuery(_Request):
    """Query of `GET /threads`. Without a token the user id is required."""

    user_id: Id | None = None
    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    cursor: str | None = None


class MessagesQuery(_Request):
    """Query of `GET /threads/{thread_id}/messages`."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    cursor: str | None = None
    order: str = Field(default="asc", pattern="^(asc|desc)$")


class MemoriesQuery(_Request):
    """Query of `GET /users/{user_id}/memories`."""

    include_superseded: Annotated[bool, Field(description="Whether memories are listed that have ended.")] = False
    limit: Annotated[
        int | None, Field(ge=1, le=MAX_PAGE, description="By default, as many as fit into a response.")
    ] = None
    cursor: str | None = None


class MemoryRequest(_Request):
    """Request body of `POST /users/{user_id}/memories`: a memory that is set explicitly."""

    text: MemoryText
    kind: Literal["preference", "fact"] = "fact"
    key: Annotated[Name | None, Field(description="The name of a preference, e.g. `language`.")] = None

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if self.key is not None and ":" in self.key:
            raise PydanticCustomError("invalid_key", "key must not contain a colon")
        if (self.kind == "preference") != (self.key is not None):
            raise PydanticCustomError("needs_key", "a preference needs a key, and a fact has none")
        return self


class CorrectionRequest(_Request):
    """Request body of `PATCH /users/{user_id}/memories/{memory_id}`: the memory's new text."""

    text: MemoryText


class LayersQuery(_Request):
    """Query of `GET /threads/{thread_id}/layers`. The limit is the number of messages from each store."""

    limit: int = Field(default=20, ge=1, le=MAX_PAGE)


class Preferences(RootModel[Annotated[dict[Name, Preference], Field(max_length=MAX_PREFERENCES)]]):
    """Request body of `PUT /users/{user_id}/preferences`: an object whose values are strings."""


class PreferenceChanges(RootModel[Annotated[dict[Name, Preference | None], Field(max_length=MAX_PREFERENCES)]]):
    """Request body of `PATCH /users/{user_id}/preferences`: an object whose values are strings or null.

    A null value removes the preference.
    """
