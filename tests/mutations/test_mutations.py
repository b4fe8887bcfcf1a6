"""Every guarantee has a test that fails if the guarantee is broken."""

from __future__ import annotations

import pytest

from tests.mutations.breaks import BREAKS, Break
from tests.mutations.trial import Trial


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Return a copy of the project. All breaks use it, and each break is undone before the next break."""
    return Trial(tmp_path_factory.mktemp("mutations"))


def test_every_guarantee_has_a_break() -> None:
    """Each of the guarantees 1 to 9 has a break."""
    assert {broken.guarantee[0] for broken in BREAKS} == set("123456789")


def test_all_tests_pass_without_a_break(trial: Trial) -> None:
    """The tests of all breaks pass in the unchanged copy. A later failure is therefore caused by a break."""
    assert trial.passes(sorted({test for broken in BREAKS for test in broken.tests}))


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: f"{broken.guarantee}: {broken.description}")
def test_a_break_is_detected(trial: Trial, broken: Break) -> None:
    """At least one of a break's tests fails with the break."""
    assert trial.detects(broken)
