"""The one screen of `sweep status`: stages, bars, speeds, what waits for what, and why."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.live import done_of
from orchestrator.cli.quantities import count, duration
from orchestrator.cli.running_table import running_table
from orchestrator.launch.session import Outlook
from orchestrator.launch.states import log_of
from orchestrator.launch.watcher import Overview, RunningRun
from orchestrator.plan.actions import Verb
from orchestrator.plan.observed import State
from orchestrator.spec.run import Stage
from orchestrator.store.layout import StudyFolder

MOST_RUNNING = 16
"""Runs under way that are shown, so that it stays one screen."""

MOST_KINDS = 8
"""Reasons to wait, and failures, that are shown."""

_BAR = 24


def screen(seen: Outlook, overview: Overview, folder: StudyFolder, launcher: str | None) -> Group:
    """Return the screen.

    Args:
        seen: where each run stands, and what comes next.
        overview: the same, with progress and an estimate of the time left.
        folder: the study's results.
        launcher: who launches it now; None for nobody.
    """
    running = [item for item in overview.running if item.state is State.RUNNING]
    return Group(
        _head(seen, overview, running, launcher),
        Text(str(folder.path), style="dim"),
        _stages(seen),
        running_table(running[:MOST_RUNNING]),
        *_more(len(running) - MOST_RUNNING),
        *_waiting(seen),
        *_failed(seen, folder),
    )


def _head(
    seen: Outlook, overview: Overview, running: Sequence[RunningRun], launcher: str | None
) -> Table:
    done, total = done_of(seen.plan, seen.observed)
    said = [launcher or "nobody launches it"]
    if running:
        said.append(f"about {duration(overview.eta_seconds)} to go")
    speed = sum(item.tokens_per_second or 0.0 for item in running)
    if speed:
        said.append(f"{count(speed)} tokens/s")
    head = Table.grid(padding=(0, 1))
    head.add_row(
        Text(seen.plan.study, style="bold"),
        ProgressBar(total=max(1, total), completed=done, width=_BAR),
        f"{done} of {total} runs done",
        "; ".join(said),
    )
    return head


def _stages(seen: Outlook) -> Table:
    """Return a line for each stage: its bar, and how many runs stand where."""
    observed = seen.observed
    blocked = {action.run_id for action in seen.actions if action.verb is Verb.BLOCK}
    shown = [state for state in State if any(one.state is state for one in observed.values())]
    table = Table("stage", "", *(state.value for state in shown), "blocked")
    for stage in Stage:
        runs = [run.run_id for run in seen.plan.runs if run.stage is stage]
        if not runs:
            continue
        counts = Counter(observed[name].state for name in runs)
        held = sum(name in blocked and observed[name].state is not State.FAILED for name in runs)
        table.add_row(
            stage.value,
            ProgressBar(total=len(runs), completed=counts[State.DONE], width=_BAR),
            *(str(counts[state] or "") for state in shown),
            str(held or ""),
        )
    return table


def _more(count_left: int) -> list[Text]:
    return [Text(f"and {count_left} more", style="dim")] if count_left > 0 else []


def _waiting(seen: Outlook) -> list[Text]:
    """Say what the runs in a cluster's queue wait for, and which nobody knows about."""
    kinds = (State.SUBMITTED, State.QUEUED, State.UNKNOWN)
    found = Counter(
        (one.state, one.message or "its turn")
        for one in seen.observed.values()
        if one.state in kinds
    )
    return [
        Text(f"{number} {state.value}: {message}")
        for (state, message), number in found.most_common(MOST_KINDS)
    ]


def _failed(seen: Outlook, folder: StudyFolder) -> list[Text]:
    """Say why runs cannot go on, what waits for each, and where its log is."""
    blocked = [action for action in seen.actions if action.verb is Verb.BLOCK]
    waiting = Counter(action.blocker for action in blocked if action.blocker != action.run_id)
    roots = [action for action in blocked if action.blocker == action.run_id]
    titles = {run.run_id: f"{run.stage.value}: {run.title}" for run in seen.plan.runs}
    lines: list[Text] = []
    for action in roots[:MOST_KINDS]:
        name = action.run_id
        held = f"; blocks {waiting[name]} runs" if waiting[name] else ""
        lines.append(Text(f"{name} {titles[name]}: {action.reason}{held}", style="red"))
        log = log_of(folder.run(name))
        lines += [Text(f"  log: {log}", style="dim")] if log else []
    return [*lines, *_more(len(roots) - MOST_KINDS)]
