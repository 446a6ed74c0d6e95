"""`sweep cancel`, `retry`, `pause` and `resume`: tell runs something, and print what was done."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.launch.session import outlook
from orchestrator.launch.slurm.real import RealSlurm
from orchestrator.launch.steering import Order, Selection, Told, select, steer
from orchestrator.plan.limits import Limits
from orchestrator.plan.observed import State
from orchestrator.spec.slurm_site import SlurmSite
from orchestrator.store.layout import StudyFolder
from orchestrator.store.records import claim_study
from orchestrator.store.study_plan import load_plan


def order_command(order: Order, does: str, example: str) -> Callable[..., None]:
    """Return the command that gives an order.

    Args:
        order: what runs are told.
        does: its help, a sentence.
        example: its arguments in an example.
    """

    def command(  # noqa: PLR0913  (each is an option of the command)
        study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study")],
        runs: Annotated[
            list[str] | None, typer.Argument(metavar="[RUN]...", help="how run_ids begin")
        ] = None,
        *,
        arms: Annotated[
            list[str] | None, typer.Option("--arm", help="runs that serve this arm")
        ] = None,
        states: Annotated[
            list[State] | None, typer.Option("--state", help="runs in this state")
        ] = None,
        overrides: Annotated[
            list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
        ] = None,
        results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="say which runs are meant")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="one JSON object per run")] = False,
    ) -> None:
        selection = Selection(
            run_ids=tuple(runs or ()), arms=tuple(arms or ()), states=tuple(states or ())
        )
        plan = load_plan(study, tuple(overrides or ()), results)
        folder = StudyFolder(results.absolute() / plan.study)
        seen = outlook(plan, folder, Limits(slots=None))
        meant = select(plan, seen.observed, selection)
        if dry_run:
            would = f"would be told to {order}"
            told = tuple(
                Told(run_id=r.run_id, state=seen.observed[r.run_id].state, done=would)
                for r in meant
            )
        else:
            claim_study(folder, plan.study)
            scheduler, now = RealSlurm(SlurmSite()), datetime.now(UTC)
            told = steer(order, meant, seen, folder=folder, scheduler=scheduler, now=now)
        titles = {run.run_id: f"{run.stage.value}: {run.title}" for run in meant}
        for line in told:
            if as_json:
                found = {"run_id": line.run_id, "state": line.state.value, "done": line.done}
                typer.echo(json.dumps(found))
            else:
                typer.echo(
                    f"{line.run_id} {line.state.value:<9} {line.done} ({titles[line.run_id]})"
                )
        if not as_json:
            typer.echo(f"{len(told)} runs")

    command.__doc__ = f"{does}\n\nExample: sweep {order} {example}"
    return command


cancel = order_command(
    Order.CANCEL,
    "Let runs save and end, and do not start them again until `sweep retry`.",
    "sweeps/demo.yaml --arm epochs",
)
retry = order_command(
    Order.RETRY,
    "Go on with runs, whatever happened to them before: the next launch tries them again.",
    "sweeps/demo.yaml --state failed",
)
pause = order_command(
    Order.PAUSE,
    "Keep runs from starting; what runs goes on.",
    "sweeps/demo.yaml --arm timing",
)
resume = order_command(
    Order.RESUME,
    "Let runs start again that were paused.",
    "sweeps/demo.yaml --arm timing",
)
