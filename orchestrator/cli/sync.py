"""`sweep sync`: send what was recorded offline to Weights & Biases."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.errors import LaunchError
from orchestrator.launch.mirror import Sent, send, waiting
from orchestrator.launch.pace import Pace
from orchestrator.launch.session import outlook
from orchestrator.plan.limits import Limits
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_plan import load_plan


def sync(  # noqa: PLR0913  (each is an option of the command)
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study")],
    *,
    per_minute: Annotated[int, typer.Option(min=1, help="runs sent in a minute, at most")] = 20,
    patience: Annotated[float, typer.Option(min=1, help="seconds that a run may take")] = 120.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be sent")] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
    ] = None,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per run")] = False,
) -> None:
    """Send what runs recorded offline to Weights & Biases, run by run, slowly enough.

    Login, WANDB_PROJECT and WANDB_ENTITY are wandb's own. What fails is kept and sent next time.

    Example: sweep sync sweeps/demo.yaml --per-minute 10
    """
    plan = load_plan(study, tuple(overrides or ()), results)
    folder = StudyFolder(results.absolute() / plan.study)
    found = waiting(plan, folder, outlook(plan, folder, Limits(slots=None)).observed)
    if dry_run:
        for run in found:
            line = {"run_id": run.run_id, "folders": [str(path) for path in run.folders]}
            typer.echo(json.dumps(line) if as_json else f"{run.run_id} {len(run.folders)} folders")
        if not as_json:
            typer.echo(f"{len(found)} runs would be sent")
        return

    def sleep(seconds: float) -> bool:
        time.sleep(seconds)
        return False

    def tell(sent: Sent) -> None:
        if as_json:
            typer.echo(json.dumps({"run_id": sent.run_id, "trouble": sent.trouble}))
        else:
            typer.echo(f"{sent.run_id} {sent.trouble or 'sent'}")

    pace = Pace(per_minute, time.monotonic, sleep)
    if not send(found, patience=patience, pause=pace.wait, told=tell):
        raise LaunchError(
            "not everything was sent; what was not is still there",
            str(folder.runs),
            "see `sweep doctor` for the login, and sync again",
        )
    if not as_json:
        typer.echo(f"{len(found)} runs sent")
