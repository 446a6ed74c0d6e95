"""A study is planned for the machine that it names, or that it is told of."""

import gc
import json
from pathlib import Path

import pytest

from orchestrator.errors import SweepError
from orchestrator.plan.cost.throughput import Machine
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import load_plan, machine_of, plan_for
from orchestrator.store.usage import usage_path

SWEEPS = Path(__file__).parents[3] / "sweeps"
PAPER = load_study(SWEEPS / "paper.yaml")
SMOKE = load_study(SWEEPS / "smoke.yaml")


def widths(machine: Machine) -> list[int]:
    return [layout.parallelism.gpus for layout in machine.layouts]


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [(None, [8, 32, 128, 256]), (64, [8, 32, 64, 64]), (100, [8, 32, 64, 64]), (1, [1, 1, 1, 1])],
)
def test_layouts_are_no_wider_than_the_cluster_and_still_divide_their_batches(
    gpus: int | None, expected: list[int], tmp_path: Path
) -> None:
    assert widths(machine_of(PAPER, tmp_path, gpus=gpus)) == expected


def test_a_profile_from_outside_wins_over_the_studys(tmp_path: Path) -> None:
    own, told = (machine_of(PAPER, tmp_path, profile) for profile in (None, "h100"))
    assert own.profile is not None
    assert told.profile is not None
    assert (own.profile.profile, told.profile.profile) == ("a100", "h100")


def test_what_finished_runs_took_counts_on_this_machine_alone(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "smoke")
    folder.path.mkdir()
    usage_path(folder).write_text(json.dumps({"flops": 6e10, "seconds": 2.0, "runs": 3}))
    assert machine_of(SMOKE, tmp_path).throughput.at(1) == 3e10
    assert machine_of(SMOKE, tmp_path, "a100").throughput.at(1) > 1e12


def test_costs_are_all_that_a_machine_decides(tmp_path: Path) -> None:
    here, there = (
        plan_for(SMOKE, machine_of(SMOKE, tmp_path, profile), SWEEPS / "smoke.yaml")
        for profile in (None, "a100")
    )
    assert [run.run_id for run in here.runs] == [run.run_id for run in there.runs]
    assert [run.cost.flops for run in here.runs] == [run.cost.flops for run in there.runs]
    assert here.runs[0].cost.device_hours > there.runs[0].cost.device_hours


def test_garbage_is_collected_again_after_planning_even_where_it_fails(tmp_path: Path) -> None:
    load_plan(SWEEPS / "smoke.yaml", results=tmp_path)
    assert gc.isenabled()
    with pytest.raises(SweepError):
        load_plan(SWEEPS / "smoke.yaml", ("stages.text_pretrain.text=nowhere/text",), tmp_path)
    assert gc.isenabled()
