"""The deletion benchmark works at a thousandth of its size."""

from __future__ import annotations

import sys

import pytest

from tests.bench import deletion


def test_the_deletion_benchmark_reports_every_kind_of_deletion(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The benchmark finishes and reports each kind of deletion."""
    monkeypatch.setattr(sys, "argv", ["deletion", "--others", "0", "3000", "--exchanges", "2000"])
    assert deletion.main() == 0
    result = capsys.readouterr().out
    assert result.count("delete a thread of 20 with") == 2
    assert "delete a user with 2,000 exchanges: answered in" in result
    assert "steps" in result
