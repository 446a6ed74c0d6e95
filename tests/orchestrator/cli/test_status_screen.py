"""The screen of `sweep status`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from orchestrator.cli.status_screen import screen
from orchestrator.launch.session import Outlook
from orchestrator.launch.watcher import Overview, RunningRun
from orchestrator.plan.actions import decide
from orchestrator.plan.causes import Cause, Ending
from orchestrator.plan.limits import Limits
from orchestrator.plan.observed import Observed, State
from orchestrator.spec.run import Stage
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_plan import load_plan
from tests.orchestrator.store.made_records import PROGRESS

if TYPE_CHECKING:
    from orchestrator.plan.plan import Plan

TOY = Path(__file__).parents[1] / "launch" / "toy" / "study.yaml"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return load_plan(TOY, (), tmp_path)


def shown(plan: Plan, observed: dict[str, Observed], width: int = 140) -> str:
    seen = Outlook(
        plan=plan,
        actions=decide(plan, observed, Limits(slots=None, ahead=True, attended=False)),
        observed=observed,
        jobs={},
    )
    running = tuple(
        RunningRun(run=run, state=State.RUNNING, progress=PROGRESS)
        for run in plan.runs
        if observed[run.run_id].state is State.RUNNING
    )
    overview = Overview(
        plan=plan, observed=observed, running=running, finished=0, seconds=0.0, eta_seconds=7500.0
    )
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True)
    console.print(screen(seen, overview, StudyFolder(Path("results/toy")), None))
    return out.getvalue()


def test_one_screen_says_what_runs_what_waits_and_what_failed_with_all_that_hangs_on_it(
    plan: Plan,
) -> None:
    observed = {run.run_id: Observed(state=State.PLANNED) for run in plan.runs}
    trunks = [run.run_id for run in plan.runs if run.stage is Stage.TEXT_PRETRAIN]
    running, broken, *_ = [run.run_id for run in plan.runs if not run.needs]
    observed[running] = Observed(state=State.RUNNING, attempts=1)
    observed[broken] = Observed(
        state=State.FAILED,
        attempts=1,
        cause=Cause.BUG,
        message="a wrong turn",
        history=(Ending(cause=Cause.BUG, progressed=False),),
    )
    queued = next(run.run_id for run in plan.runs if running in run.needs)
    observed[queued] = Observed(state=State.QUEUED, attempts=1, message="Dependency")
    text = shown(plan, observed)
    below = {broken}
    for run in plan.runs:
        if below & set(run.needs):
            below.add(run.run_id)
    for words in (
        f"0 of {len(plan.runs)} runs done",
        "nobody launches it",
        "about 2 h 5 min to go",
        "384 tokens/s",
        "25/100",
        "1 queued: Dependency",
        "a wrong turn",
        f"blocks {len(below) - 1} runs",
    ):
        assert words in text
    assert broken in text
    assert len(trunks) > 1


def test_a_study_of_hundreds_of_running_and_failed_runs_is_still_one_screen(
    tmp_path: Path,
) -> None:
    plan = load_plan(TOY.parents[4] / "sweeps" / "demo.yaml", (), tmp_path)
    live = {run.run_id: Observed(state=State.RUNNING, attempts=1) for run in plan.runs}
    assert len(shown(plan, live).splitlines()) < 40
    assert f"and {len(plan.runs) - 16} more" in shown(plan, live)
    failed = {
        run.run_id: Observed(
            state=State.FAILED,
            attempts=1,
            cause=Cause.BUG,
            message=f"wrong turn {number}",
            history=(Ending(cause=Cause.BUG, progressed=False),),
        )
        for number, run in enumerate(plan.runs)
    }
    assert len(shown(plan, failed).splitlines()) < 40


def test_it_fits_a_narrow_terminal(plan: Plan) -> None:
    observed = {run.run_id: Observed(state=State.RUNNING, attempts=1) for run in plan.runs}
    assert max(map(len, shown(plan, observed, width=80).splitlines())) <= 80
