"""A short chaos run has the same checks as the longer `make chaos`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import pytest

from tests.chaos.run import LearnsBy, Size, run

# The third fault promotes a lagging replica.
SEED = 6
SIZE = Size(seconds=25, exchanges=400, invokes_sweep=True)


@pytest.mark.parametrize("learns_by", get_args(LearnsBy))
def test_nothing_is_lost_doubled_or_out_of_order(
    learns_by: LearnsBy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stored exchanges match the responses of eight callers while servers and workers were killed or frozen.

    What was learned from them is what they state, whether the rules or a bad model learned it.
    """
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    result = run(tmp_path / "stack", SEED, SIZE, print, learns_by=learns_by)
    assert result.verdict.is_clean, result.table()
    assert result.journal.accepted > 50, result.table()
    assert len(result.journal.faults) >= 3, result.table()
    assert not [fault.detail for fault in result.journal.faults if "failed" in fault.detail], result.table()
    assert {"valkey full", "valkey fails over"} <= {fault.kind for fault in result.journal.faults}, result.table()
    assert result.journal.deletions, result.table()
    assert result.journal.copies_delivered > 0, result.table()
    assert result.verdict.cached_threads > 0, result.table()
    assert result.verdict.forgotten > 0, result.table()
    assert bool(result.answers) == (learns_by == "model"), result.table()
