"""Every guarantee has a test that fails if the guarantee is broken."""

from __future__ import annotations

import pytest

from tests.mutations.breaks import BREAKS, Break
from tests.mutations.trial import Trial


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Return one copy of the project for all breaks. Each break is undone before the next."""
    return Trial(tmp_path_factory.mktemp("mutations"))


def test_every_guarantee_has_a_break() -> None:
    """The guarantees are numbered 1 to 8."""
    assert {broken.guarantee[0] for broken in BREAKS} == set("12345678")


def test_nothing_fails_before_anything_is_broken(trial: Trial) -> None:
    """The tests of all breaks pass in the copy, so a failure is caused by the break."""
    assert trial.is_green(sorted({test for broken in BREAKS for test in broken.tests}))


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: f"{broken.guarantee}: {broken.what}")
def test_a_break_is_noticed(trial: Trial, broken: Break) -> None:
    """A guarantee is not proven if no test notices its break."""
    assert trial.notices(broken)
