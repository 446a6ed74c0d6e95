"""How `sweep launch` looks while it goes on: bars on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Mapping
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.quantities import duration
from orchestrator.cli.running_table import running_table
from orchestrator.launch.watcher import Overview
from orchestrator.plan.actions import needed_runs
from orchestrator.plan.causes import Cause
from orchestrator.plan.observed import Observed, State
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.run import Stage

_SUMMARY_SECONDS = 10.0
"""Time between two summary lines where there is no terminal."""

_REFRESH_SECONDS = 0.5
"""Time between two pictures on a terminal."""


class Display(Protocol):
    """A watcher that is shown between two moments."""

    def open(self) -> None:
        """Begin to show."""
        ...

    def close(self) -> None:
        """Leave the screen as it is now."""
        ...

    def started(self, run: PlannedRun, attempt: int) -> None:
        """An attempt was handed over."""
        ...

    def ended(self, run: PlannedRun, seen: Observed, seconds: float) -> None:
        """An attempt ended."""
        ...

    def look(self, overview: Overview) -> None:
        """Some time has passed."""
        ...


def open_display() -> Display:
    """Return bars if standard error is a terminal, else plain lines."""
    console = Console(stderr=True)
    return Bars(console) if console.is_terminal else Lines()


class Lines:
    """A line for each end, and a summary now and then."""

    def __init__(self) -> None:
        self._summary_at = 0.0

    def open(self) -> None:
        """Nothing to begin."""

    def close(self) -> None:
        """Nothing to end."""

    def started(self, run: PlannedRun, attempt: int) -> None:
        """Say nothing: its end is told."""

    def ended(self, run: PlannedRun, seen: Observed, seconds: float) -> None:
        """Tell an end."""
        print(ended_line(run, seen, seconds), file=sys.stderr, flush=True)

    def look(self, overview: Overview) -> None:
        """Sum up, now and then."""
        if overview.seconds - self._summary_at >= _SUMMARY_SECONDS:
            self._summary_at = overview.seconds
            print(summary_line(overview), file=sys.stderr, flush=True)


class Bars:
    """A picture of the study that is drawn anew; ends are told above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._drawn_at = -_REFRESH_SECONDS

    def open(self) -> None:
        """Begin to draw."""
        self._live.start()

    def close(self) -> None:
        """Leave the last picture."""
        self._live.stop()

    def started(self, run: PlannedRun, attempt: int) -> None:
        """Say nothing: it appears in the picture."""

    def ended(self, run: PlannedRun, seen: Observed, seconds: float) -> None:
        """Tell failures; what is done shows in the picture."""
        if seen.state is not State.DONE:
            self._console.print(ended_line(run, seen, seconds), style="red", markup=False)

    def look(self, overview: Overview) -> None:
        """Draw."""
        if overview.seconds - self._drawn_at >= _REFRESH_SECONDS:
            self._drawn_at = overview.seconds
            self._live.update(picture(overview), refresh=True)


def picture(overview: Overview) -> Group:
    """Return the whole state of a launch as something Rich can print."""
    done, total = done_of(overview.plan, overview.observed)
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        Text(overview.plan.study, style="bold"),
        ProgressBar(total=max(1, total), completed=done, width=40),
        f"{done} of {total} runs",
        f"{duration(overview.seconds)} gone, about {duration(overview.eta_seconds)} to go",
    )
    return Group(bar, stage_counts(overview), running_table(overview.running))


def stage_counts(overview: Overview) -> Text:
    """Return `finetune 3/48` for each stage, on one line."""
    parts: list[str] = []
    for stage in Stage:
        runs = [run for run in overview.plan.runs if run.stage is stage]
        done = sum(overview.observed[run.run_id].state is State.DONE for run in runs)
        if runs:
            parts.append(f"{stage.value} {done}/{len(runs)}")
    return Text("  ".join(parts), style="dim")


def done_of(plan: Plan, observed: Mapping[str, Observed]) -> tuple[int, int]:
    """Return how many runs are done, and how many there are in all that are done or needed."""
    needed = needed_runs(plan, observed)
    done = sum(seen.state is State.DONE for seen in observed.values())
    return done, done + len(needed)


def summary_line(overview: Overview) -> str:
    """Return where a launch stands, in one line."""
    done, total = done_of(overview.plan, overview.observed)
    return (
        f"{done} of {total} runs done, {len(overview.running)} running, "
        f"{duration(overview.seconds)} gone, about {duration(overview.eta_seconds)} to go"
    )


def ended_line(run: PlannedRun, seen: Observed, seconds: float) -> str:
    """Return how an attempt ended, in one line."""
    how = seen.state.value
    if seen.cause is Cause.STOPPED:
        how = f"stopped as it was asked to ({seen.message or 'no message'})"
    elif seen.cause is not None:
        how = f"{how} ({seen.cause.value}: {seen.message or 'no message'})"
    return f"{run.run_id} {run.stage.value} {how} after {duration(seconds)}: {run.title}"
