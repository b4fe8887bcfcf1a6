"""Every guarantee is proven: where it is taken away, a test fails."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.mutations.__main__ import run
from tests.mutations.breaks import BREAKS


def test_every_guarantee_has_a_break() -> None:
    """The guarantees are numbered 1 to 8."""
    assert {broken.guarantee[0] for broken in BREAKS} == set("12345678")


def test_every_break_is_noticed(tmp_path: Path) -> None:
    """A guarantee whose break no test notices is not proven."""
    assert run(tmp_path, sys.stdout) == []
