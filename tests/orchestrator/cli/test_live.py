"""What people see while a study runs."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.cli.live import Bars, Lines
from orchestrator.cli.quantities import duration
from orchestrator.launch.watcher import Overview, RunningRun
from orchestrator.plan.causes import Cause
from orchestrator.plan.observed import Observed, State
from orchestrator.plan.plan import Plan
from orchestrator.store.study_plan import load_plan
from tests.orchestrator.store.made_records import PROGRESS


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return load_plan(Path(__file__).parents[1] / "launch" / "toy" / "study.yaml", (), tmp_path)


def overview(plan: Plan, seconds: float) -> Overview:
    observed = {run.run_id: Observed(state=State.PLANNED) for run in plan.runs}
    observed[plan.runs[0].run_id] = Observed(state=State.DONE, attempts=1)
    observed[plan.runs[1].run_id] = Observed(state=State.RUNNING, attempts=1)
    running = RunningRun(run=plan.runs[1], state=State.RUNNING, progress=PROGRESS)
    return Overview(
        plan=plan,
        observed=observed,
        running=(running,),
        finished=1,
        seconds=seconds,
        eta_seconds=130.0,
    )


def test_bars_show_the_whole_the_stages_and_each_running_run(plan: Plan) -> None:
    screen = io.StringIO()
    bars = Bars(Console(file=screen, force_terminal=True, width=160, no_color=True))
    bars.open()
    bars.look(overview(plan, 20.0))
    bars.close()
    text = screen.getvalue()
    for words in (
        f"1 of {len(plan.runs)} runs",
        "about 2 min 10 s to go",
        plan.runs[1].run_id,
        "25/100",
        "loss 1.234",
        "384 tokens/s",
        "6.2 s left",
    ):
        assert words in text


def test_lines_tell_each_end_and_sum_up_every_ten_seconds(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines()
    failed = Observed(state=State.FAILED, cause=Cause.BUG, message="division by zero")
    lines.ended(plan.runs[0], Observed(state=State.DONE), 3.25)
    lines.ended(plan.runs[1], failed, 61.0)
    for seconds in (5.0, 10.0, 15.0, 21.0):
        lines.look(overview(plan, seconds))
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4
    assert "done after 3.2 s" in told[0]
    assert "failed (code_error: division by zero) after 1 min 1 s" in told[1]
    assert told[2].startswith(f"1 of {len(plan.runs)} runs done, 1 running")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1 min 0 s"), (3725, "1 h 2 min")],
)
def test_durations_read_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words
