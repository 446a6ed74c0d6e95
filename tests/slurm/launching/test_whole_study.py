"""A whole study on a real Slurm: one launch submits it, and nobody has to stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.slurm.launching.conftest import SlurmStudy

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]


def test_one_launch_submits_a_whole_study_which_ends_like_one_on_this_machine(
    study: SlurmStudy,
) -> None:
    outcome = study.launch()
    assert len(outcome.live) == len(study.plan.runs)
    study.wait_until(study.is_done)
    assert study.contents() == study.undisturbed()
    assert set(study.attempts().values()) == {1}
    assert set(study.steps_done().values()) == {1}


def test_launching_a_finished_study_submits_nothing(study: SlurmStudy) -> None:
    study.launch(stay=True)
    assert study.is_done()
    before = study.box.run("squeue", "--states=all", "-h", "-o", "%i").stdout
    outcome = study.launch()
    assert outcome.live == ()
    assert study.box.run("squeue", "--states=all", "-h", "-o", "%i").stdout == before
    assert set(study.attempts().values()) == {1}
