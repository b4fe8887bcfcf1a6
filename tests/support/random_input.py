"""Hypothesis strategies for invalid input: damaged valid values, and random values.

By default every run has the same examples. `FUZZ_EXAMPLES=100000 pytest tests/fuzz` runs longer, with other examples
in each run.
"""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.support import strategies

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))
fuzz = settings(
    max_examples=EXAMPLES,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

_SURROGATES = st.characters(categories=["Cs"])
_NUMBERS = st.integers() | st.integers(-(1 << 80), 1 << 80) | st.floats() | st.sampled_from([10**400, -0.0, 1e308])
any_text = st.text(st.characters() | _SURROGATES, max_size=30)
_SPECIAL_TEXTS = st.sampled_from(
    [
        "",
        "\x00",
        "\ud800",
        "\ufeff",
        "x" * 256,
        "9" * 5_000,
        "1970-01-01T00:00:00Z",
        "9999-12-31T24:00:00Z",
        "9999-12-31T23:59:59.999999-23:59",
        "2026-W01-1T00Z",
        "20260101T000000,5Z",
        "2026-01-01T00:00:00+23:59:59.999999",
        "{00000000-0000-0000-0000-000000000000}",
        "urn:uuid:00000000-0000-0000-0000-000000000000",
        "0_0000000-0000-0000-0000-000000000000",
        "+0000000-0000-0000-0000-0000000000000",
        "-".join("\u0660" * length for length in (8, 4, 4, 4, 12)),
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
    ]
)
scalars = st.none() | st.booleans() | _NUMBERS | any_text | _SPECIAL_TEXTS
# All results of a JSON parser, and some other values.
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)


def to_json(value: Any) -> str:
    """Return a value as JSON, including JSON that strict parsers refuse: lone surrogates, infinities, huge numbers."""
    return json.dumps(value, ensure_ascii=True)


@st.composite
def damaged_fields(draw: st.DrawFn, valid: dict[str, Any]) -> dict[str, Any]:
    """Return an object with one to three fields removed, replaced, renamed or added."""
    fields = dict(valid)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from([*fields, "extra"]))
        match draw(st.sampled_from(["remove", "replace", "rename", "wrap", "add"])):
            case "remove":
                fields.pop(name, None)
            case "replace":
                fields[name] = draw(values)
            case "rename":
                fields[draw(any_text)] = fields.pop(name, None)
            case "wrap":
                fields[name] = [fields.get(name)]
            case _:
                fields[draw(any_text)] = draw(values)
    return fields


@st.composite
def damaged_text(draw: st.DrawFn, valid: str) -> str:
    """Return a text with a part removed, doubled or replaced by random text."""
    start = draw(st.integers(0, len(valid)))
    end = draw(st.integers(start, min(len(valid), start + 40)))
    replacement = draw(
        st.sampled_from(["", valid[start:end] * 2, "\\u0000", "\\ud83d", '"', "}", "]", "1e999", "NaN", "-"]) | any_text
    )
    return valid[:start] + replacement + valid[end:]


@st.composite
def damaged_bytes(draw: st.DrawFn, valid: bytes) -> bytes:
    """Return bytes with a part removed, doubled or replaced by random bytes."""
    start = draw(st.integers(0, len(valid)))
    end = draw(st.integers(start, min(len(valid), start + 40)))
    return valid[:start] + draw(st.just(valid[start:end] * 2) | st.binary(max_size=12)) + valid[end:]


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """Return a message body: a valid body, a damaged body, any JSON, or random text."""
    valid = draw(strategies.exchanges()).to_wire()
    return draw(
        st.just(valid)
        | damaged_fields(json.loads(valid)).map(to_json)
        | damaged_text(valid)
        | values.map(to_json)
        | any_text
    )


@st.composite
def records(draw: st.DrawFn, number: int) -> Any:
    """Return one record of an event: a valid record with any body, a damaged record, or a random value."""
    valid = {
        "messageId": f"message-{number}",
        "receiptHandle": f"receipt-{number}",
        "body": draw(bodies()),
        "attributes": {"ApproximateReceiveCount": str(draw(st.integers(1, 12)))},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }
    invalid_count = st.fixed_dictionaries({"ApproximateReceiveCount": scalars}).map(
        lambda attributes: {**valid, "attributes": attributes}
    )
    return draw(st.just(valid) | damaged_fields(valid) | invalid_count | values)
