"""Converts the results of a turn to JSON objects, for the routes and the direct invocation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.listed_messages import messages_json
from shared.memory.budget import Selection
from shared.memory.recall import Recall
from shared.memory.search.related import Related, related_json
from shared.memory.turn import AppendResult


def invoking_json(
    recall: Recall, selection: Selection, include: Sequence[str], related: Related | None = None
) -> dict[str, Any]:
    """Return the response to `invoking`, with the parts that the request includes."""
    return {
        **_content(selection, include),
        "context_tokens": selection.tokens,
        "omitted_exchanges": selection.omitted_exchanges,
        "source": recall.source,
        "degraded": _layers(recall.degraded, related.degraded if related else ()),
    }


def append_result_json(appended: AppendResult) -> dict[str, Any]:
    """Return where an exchange is stored; with `degraded` only if a layer did not respond."""
    answer: dict[str, Any] = {
        "exchange_id": str(appended.exchange_id) if appended.exchange_id else None,
        "durability": appended.durability,
        "cached": appended.cached,
    }
    # If Redis did not accept the exchange, other processes may not show it until it is drained.
    return {**answer, "degraded": appended.degraded} if appended.degraded else answer


def memory_json(
    recall: Recall, appended: AppendResult, selection: Selection, related: Related | None = None
) -> dict[str, Any]:
    """Return the layer that served a turn's memory and the store that accepted its exchange."""
    return {
        "source": recall.source,
        "degraded": _layers(recall.degraded, appended.degraded, related.degraded if related else ()),
        "durability": appended.durability,
        "cached": appended.cached,
        "context_tokens": selection.tokens,
        "omitted_exchanges": selection.omitted_exchanges,
    }


def selection_json(recall: Recall, selection: Selection, include: Sequence[str]) -> dict[str, Any]:
    """Return what an agent got: the numbers of all parts, what the limits left out, and the content of some parts."""
    known = recall.known
    return {
        "counts": {
            "messages": len(selection.messages),
            "preferences": len(selection.preferences),
            "memories": len(selection.known),
            "related": len(selection.related),
        },
        "omitted": {
            "exchanges": selection.omitted_exchanges,
            "preferences": len(recall.preferences) - len(selection.preferences),
            "memories": len(known.items) + (known.summary is not None) - len(selection.known),
        },
        **_content(selection, include),
    }


def _content(selection: Selection, include: Sequence[str]) -> dict[str, Any]:
    """Return the parts of a selection that a request includes."""
    parts = {
        "context": selection.context,
        "messages": messages_json(selection.messages),
        "preferences": selection.preferences,
        "memories": selection.known,
        "related": related_json(selection.related),
    }
    return {name: part for name, part in parts.items() if name in include}


def _layers(*degraded: Sequence[str]) -> list[str]:
    """Return the layers that did not respond, each once."""
    return list(dict.fromkeys(layer for layers in degraded for layer in layers))
