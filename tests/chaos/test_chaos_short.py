"""A short chaos run has the same checks as the longer `make chaos`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.run import Size, run

# The third fault promotes a lagging replica.
SEED = 6
SIZE = Size(seconds=25, exchanges=400, invokes_sweep=True)


def test_nothing_is_lost_doubled_or_out_of_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stored exchanges match the responses of eight callers while servers and workers were killed or frozen."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    result = run(tmp_path / "stack", SEED, SIZE, print)
    assert result.verdict.is_clean, result.table()
    assert result.journal.accepted > 50, result.table()
    assert len(result.journal.faults) >= 3, result.table()
    assert not [fault.detail for fault in result.journal.faults if "failed" in fault.detail], result.table()
    assert {"valkey full", "valkey fails over"} <= {fault.kind for fault in result.journal.faults}, result.table()
    assert result.journal.deletions, result.table()
    assert result.journal.copies_delivered > 0, result.table()
    assert result.verdict.cached_threads > 0, result.table()
