"""`sweep status`: show where a study stands. Changes nothing."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli.live import done_of
from orchestrator.launch.lock import lock_holder
from orchestrator.launch.session import outlook
from orchestrator.launch.states import log_of, progress_of
from orchestrator.plan.actions import Action, Limits, Observed, State, Verb
from orchestrator.plan.plan import Plan
from orchestrator.spec.codec import Plain
from orchestrator.spec.run import Stage
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_plan import load_plan

_WATCH_SECONDS = 2.0
"""Time between two pictures with --watch."""


def status(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study to look at")],
    *,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
    ] = None,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per run")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="draw it anew until Ctrl-C")] = False,
) -> None:
    """Show where a study stands: what is done, running, failed and blocked.

    Example: sweep status sweeps/demo.yaml --watch
    """
    plan = load_plan(study, tuple(overrides or ()), results)
    folder = StudyFolder(results.absolute() / plan.study)
    if as_json:
        for line in status_objects(plan, folder):
            typer.echo(json.dumps(line))
    elif watch:
        _watch(plan, folder)
    else:
        Console().print(_picture(plan, folder))


def status_objects(plan: Plan, folder: StudyFolder) -> list[dict[str, Plain]]:
    """Return one flat object for each run, with stable keys."""
    seen = outlook(plan, folder, Limits(slots=None))
    actions, observed = seen.actions, seen.observed
    verdicts = {action.run_id: action for action in actions}
    lines: list[dict[str, Plain]] = []
    for run in plan.runs:
        seen, verdict = observed[run.run_id], verdicts[run.run_id]
        progress = None if seen.state is State.PLANNED else progress_of(folder.run(run.run_id))
        lines.append(
            {
                "run_id": run.run_id,
                "stage": run.stage.value,
                "title": run.title,
                "state": seen.state.value,
                "attempts": seen.attempts,
                "cause": seen.cause.value if seen.cause else None,
                "message": seen.message,
                "blocked_by": verdict.blocker,
                "next": verdict.verb.value,
                "reason": verdict.reason,
                "step": progress.step if progress else None,
                "steps": progress.steps if progress else None,
                "loss": progress.loss if progress else None,
            }
        )
    return lines


def _watch(plan: Plan, folder: StudyFolder) -> None:
    with Live(_picture(plan, folder), auto_refresh=False) as live:
        try:
            while True:
                live.update(_picture(plan, folder), refresh=True)
                time.sleep(_WATCH_SECONDS)
        except KeyboardInterrupt:
            return


def _picture(plan: Plan, folder: StudyFolder) -> Group:
    seen = outlook(plan, folder, Limits(slots=None))
    actions, observed = seen.actions, seen.observed
    done, total = done_of(plan, observed)
    holder = lock_holder(folder)
    who = f"launched by process {holder.pid} on {holder.host}" if holder else "nobody launches it"
    head = Text(f"{plan.study}: {done} of {total} runs done; {who}; {folder.path}")
    return Group(
        head,
        _states(plan, observed),
        *_running(plan, folder, observed),
        *_waiting(observed),
        *_failed(actions, folder),
    )


def _states(plan: Plan, observed: dict[str, Observed]) -> Table:
    shown = [state for state in State if any(seen.state is state for seen in observed.values())]
    table = Table("stage", *(state.value for state in shown))
    for stage in Stage:
        counts = Counter(observed[run.run_id].state for run in plan.runs if run.stage is stage)
        if counts:
            table.add_row(stage.value, *(str(counts[state] or "") for state in shown))
    return table


def _running(plan: Plan, folder: StudyFolder, observed: dict[str, Observed]) -> list[Text]:
    lines: list[Text] = []
    for run in plan.runs:
        seen = observed[run.run_id]
        if seen.state not in (State.RUNNING, State.SUBMITTED):
            continue
        progress = progress_of(folder.run(run.run_id))
        how_far = f"step {progress.step:,} of {progress.steps:,}" if progress else "starting"
        if progress and progress.loss is not None:
            how_far += f", loss {progress.loss:.3f}"
        lines.append(Text(f"running {run.run_id} {run.stage.value}: {how_far}; {run.title}"))
    return lines


def _waiting(observed: dict[str, Observed]) -> list[Text]:
    """Say what the runs in a cluster's queue wait for, and which nobody knows about."""
    kinds = (State.QUEUED, State.UNKNOWN)
    found = Counter(
        (o.state, o.message or "its turn") for o in observed.values() if o.state in kinds
    )
    return [
        Text(f"{count} {state.value}: {message}")
        for (state, message), count in found.most_common(8)
    ]


def _failed(actions: tuple[Action, ...], folder: StudyFolder) -> list[Text]:
    blocked = [action for action in actions if action.verb is Verb.BLOCK]
    waiting = Counter(action.blocker for action in blocked if action.blocker != action.run_id)
    lines: list[Text] = []
    for action in blocked:
        if action.blocker == action.run_id:
            line = f"failed {action.run_id}: {action.reason}"
            held = waiting[action.run_id]
            line += f"; {held} runs wait for it" if held else ""
            lines.append(Text(f"{line}\n  log: {log_of(folder.run(action.run_id))}", style="red"))
    return lines
