"""What `sweep cancel`, `retry`, `pause` and `resume` have in common: which runs, and the answer."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.launch.session import preview
from orchestrator.launch.slurm.real import RealSlurm
from orchestrator.launch.steering import Order, Selection, select, steer
from orchestrator.plan.limits import Limits
from orchestrator.plan.observed import State
from orchestrator.spec.slurm_site import SlurmSite
from orchestrator.store.layout import StudyFolder
from orchestrator.store.records import claim_study
from orchestrator.store.study_plan import load_plan

Study = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study")]
Runs = Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="how run_ids begin")]
Arms = Annotated[list[str] | None, typer.Option("--arm", help="runs that serve this arm")]
States = Annotated[list[State] | None, typer.Option("--state", help="runs in this state")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
]
Results = Annotated[Path, typer.Option(help="folder of results folders")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say which runs are meant")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object per run")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says."""

    study: Path
    """The YAML file."""
    selection: Selection
    """Which runs."""
    overrides: tuple[str, ...]
    """Changes of the study's values."""
    results: Path
    """Folder of results folders."""
    dry_run: bool
    """Whether nothing is done."""
    as_json: bool
    """Whether scripts read the answer."""


def selection_of(
    runs: list[str] | None, arms: list[str] | None, states: list[State] | None
) -> Selection:
    """Return which runs the command line means."""
    return Selection(run_ids=tuple(runs or ()), arms=tuple(arms or ()), states=tuple(states or ()))


def give(order: Order, asked: Asked) -> None:
    """Give an order and print what each run was told."""
    plan = load_plan(asked.study, asked.overrides, asked.results)
    folder = StudyFolder(asked.results.absolute() / plan.study)
    _, observed = preview(plan, folder, Limits(slots=None))
    runs = select(plan, observed, asked.selection)
    titles = {run.run_id: f"{run.stage.value}: {run.title}" for run in runs}
    if asked.dry_run:
        lines = [
            (run.run_id, observed[run.run_id].state, f"would be told to {order}") for run in runs
        ]
    else:
        claim_study(folder, plan.study)
        told = steer(
            order,
            runs,
            observed,
            study=plan.study,
            folder=folder,
            scheduler=RealSlurm(SlurmSite()),
            now=datetime.now(UTC),
        )
        lines = [(t.run_id, t.state, t.done) for t in told]
    for name, state, done in lines:
        if asked.as_json:
            typer.echo(json.dumps({"run_id": name, "state": state.value, "done": done}))
        else:
            typer.echo(f"{name} {state.value:<9} {done} ({titles[name]})")
    if not asked.as_json:
        typer.echo(f"{len(lines)} runs")
