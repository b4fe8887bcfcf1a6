"""The alarm `Lost` fires for lost exchanges, and not for those rejected on purpose."""

from __future__ import annotations

import pytest

from functions.agent.metrics import AgentMetrics
from shared.memory.turn import AppendResult


@pytest.mark.parametrize(
    ("degraded", "is_lost"),
    [([], False), (["redis"], False), (["queue"], False), (["queue", "postgres"], True)],
)
def test_only_what_no_store_could_take_is_lost(
    capsys: pytest.CaptureFixture[str], degraded: list[str], *, is_lost: bool
) -> None:
    """A repeated exchange that was deleted has durability `none`, too."""
    measures = AgentMetrics({})
    measures.kept(AppendResult(None, "none", cached=False, degraded=degraded))
    measures.flush()
    assert ('"Lost"' in capsys.readouterr().out) == is_lost
