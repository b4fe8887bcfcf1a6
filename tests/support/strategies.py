"""Hypothesis strategies draw ids, times, texts and exchanges from small pools, so that values repeat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from shared.ids import id_error
from shared.metadata import encode_metadata
from shared.models import Exchange
from shared.wire_fields import MAX_REVISION

START = datetime(2026, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# All characters that JSON and PostgreSQL can store, including control characters and noncharacters that SQS refuses.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
# Metadata objects.
objects = st.dictionaries(
    texts,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
names = st.text(min_size=1, max_size=255).filter(lambda text: id_error(text) is None)
moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999), timezones=st.just(UTC))  # noqa: DTZ001 - the third argument sets the zone
# Any 128 bits: PostgreSQL accepts versions and variants that RFC 9562 does not define.
uuids = st.one_of(st.uuids(version=4), st.integers(0, (1 << 128) - 1).map(lambda number: UUID(int=number)))


@st.composite
def time_ordered(draw: st.DrawFn) -> UUID:
    """Return a UUIDv7 with one of a few timestamps and one of a few random parts."""
    milliseconds = int(START.timestamp() * 1000) + draw(st.integers(0, 5))
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62 | draw(st.integers(0, 3)))


@st.composite
def colliding_exchanges(draw: st.DrawFn, *, may_move: bool = False) -> Exchange:
    """Return an exchange of thread `t` whose id, time and text other exchanges of the example are likely to share.

    With `may_move`, exchanges with the same UUIDv4 may have different times and positions.
    """
    number = draw(st.integers(1, 6))
    exchange_id = draw(st.one_of(time_ordered(), st.just(_random_id(number))))
    created_at = START + timedelta(microseconds=draw(st.sampled_from([0, 1, 999, 1_000, 2_500, 5_000])))
    if exchange_id.version != 7 and not may_move:
        created_at = START + timedelta(microseconds=number * 900)
    revision = draw(st.sampled_from([0, 0, 0, 1, 2]))
    accepted_at = draw(st.none() | st.sampled_from([3, 7, 2_503, 4_003]).map(lambda us: START + us * MICROSECOND))
    if accepted_at is not None and (may_move or exchange_id.version == 7):
        # Two imports with the same id and time of acceptance are one import, so they have the same creation time.
        created_at = START - timedelta(microseconds=accepted_at.microsecond)
    # The time of acceptance determines the text, so that two exchanges with the same id, time and revision are equal.
    text = f"{exchange_id} {(accepted_at or created_at).microsecond} {accepted_at is None} {revision}"
    user_id = "ana" if exchange_id.int % 2 else None
    return Exchange(
        exchange_id, "t", user_id, f"q {text}", f"a {text}", created_at, revision=revision, accepted_at=accepted_at
    )


def _random_id(number: int) -> UUID:
    return UUID(int=0x4 << 76 | 0b10 << 62 | number)


def colliding_ids() -> st.SearchStrategy[UUID]:
    """Return an id that exchanges of `colliding_exchanges` may have."""
    return st.one_of(time_ordered(), st.integers(1, 6).map(_random_id))


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    """Return any exchange that the wire format can represent."""
    return Exchange(
        exchange_id=draw(uuids),
        thread_id=draw(names),
        user_id=draw(st.none() | names),
        user_message=draw(texts),
        assistant_message=draw(texts),
        created_at=draw(moments),
        document_ids=tuple(draw(st.lists(names, max_size=3))),
        metadata=draw(st.none() | objects.map(encode_metadata)),
        revision=draw(st.sampled_from([0, 0, 1, MAX_REVISION])),
        accepted_at=draw(st.none() | moments),
    )
