"""`sweep status`: show where a study stands. Changes nothing."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live

from orchestrator.cli.status_screen import screen
from orchestrator.cli.terminal import terminal
from orchestrator.launch.lock import lock_holder
from orchestrator.launch.overview import overview_of
from orchestrator.launch.session import Outlook, outlook
from orchestrator.launch.watcher import Overview, RunningRun
from orchestrator.plan.limits import Limits
from orchestrator.plan.observed import State
from orchestrator.plan.plan import Plan
from orchestrator.spec.codec import Plain
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_plan import load_plan

_WATCH_SECONDS = 2.0
"""Time between two pictures with --watch, where the study is on this machine."""

_ASK_SECONDS = 30.0
"""The same where a cluster has to be asked."""


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
        terminal().print(_picture(plan, folder))


def status_objects(plan: Plan, folder: StudyFolder) -> list[dict[str, Plain]]:
    """Return one flat object for each run, with stable keys."""
    seen = outlook(plan, folder, Limits(slots=None))
    verdicts = {action.run_id: action for action in seen.actions}
    running = {item.run.run_id: item for item in _overview(seen, folder).running}
    lines: list[dict[str, Plain]] = []
    for run in plan.runs:
        found, verdict = seen.observed[run.run_id], verdicts[run.run_id]
        lines.append(
            {
                "run_id": run.run_id,
                "stage": run.stage.value,
                "title": run.title,
                "state": found.state.value,
                "attempts": found.attempts,
                "cause": found.cause.value if found.cause else None,
                "message": found.message,
                "blocked_by": verdict.blocker,
                "next": verdict.verb.value,
                "reason": verdict.reason,
                **_progress(running.get(run.run_id)),
            }
        )
    return lines


def _progress(item: RunningRun | None) -> dict[str, Plain]:
    progress = item.progress if item else None
    return {
        "step": progress.step if progress else None,
        "steps": progress.steps if progress else None,
        "loss": progress.loss if progress else None,
        "tokens_per_second": item.tokens_per_second if item else None,
        "mfu": progress.mfu if progress else None,
        "memory_mib": progress.memory_mib if progress else None,
        "device_memory_mib": progress.device_memory_mib if progress else None,
        "seconds_left": item.seconds_left if item else None,
    }


def _watch(plan: Plan, folder: StudyFolder) -> None:
    asks = folder.submissions.is_dir()
    with Live(auto_refresh=False) as live:
        try:
            while True:
                live.update(_picture(plan, folder), refresh=True)
                time.sleep(_ASK_SECONDS if asks else _WATCH_SECONDS)
        except KeyboardInterrupt:
            return


def _picture(plan: Plan, folder: StudyFolder) -> Group:
    seen = outlook(plan, folder, Limits(slots=None))
    holder = lock_holder(folder)
    who = f"launched by process {holder.pid} on {holder.host}" if holder else None
    return screen(seen, _overview(seen, folder), folder, who)


def _overview(seen: Outlook, folder: StudyFolder) -> Overview:
    """Gather where everything stands; as many runs go on at once as do now."""
    now = sum(found.state is State.RUNNING for found in seen.observed.values())
    return overview_of(seen.plan, folder, seen.observed, slots=now or None)
