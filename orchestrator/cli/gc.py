"""`sweep gc`: remove checkpoints that nothing needs any more. Shows first."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.quantities import size
from orchestrator.launch.lock import launch_lock
from orchestrator.launch.session import outlook
from orchestrator.plan.limits import Limits
from orchestrator.plan.plan import Plan
from orchestrator.plan.retention import Part, Surplus, surplus
from orchestrator.spec.launch import Keep
from orchestrator.store.checkpoint_files import (
    checkpoint_bytes,
    optimizer_bytes,
    remove_checkpoints,
    remove_optimizer,
)
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import machine_of, plan_for


def gc(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study")],
    *,
    keep: Annotated[
        Keep | None, typer.Option(help="which checkpoints stay [launch.keep of the study]")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="remove; else only show")] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
    ] = None,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per run")] = False,
) -> None:
    """Remove checkpoints that no unfinished run needs and the policy does not keep.

    `needed` keeps the weights of the models that fill places in arms; `milestones`, the usual one,
    also every trunk segment with its optimizer, so that the study can grow; `all` keeps everything.
    Results, metrics and answers stay in any case.

    Example: sweep gc sweeps/demo.yaml --keep needed --yes
    """
    declared = load_study(study, tuple(overrides or ()))
    plan = plan_for(declared, machine_of(declared, results), study)
    folder = StudyFolder(results.absolute() / plan.study)
    policy = keep or declared.launch.keep
    if yes and folder.path.is_dir():
        with launch_lock(folder, datetime.now(UTC)):
            found = _found(plan, folder, policy)
            for item, _ in found:
                _remove(folder, item)
    else:
        found = _found(plan, folder, policy)
    for item, freed in found:
        if as_json:
            line = {"run_id": item.run.run_id, "part": item.part.value, "bytes": freed}
            typer.echo(json.dumps({**line, "removed": yes}))
        else:
            about = f"{item.run.stage.value}: {item.run.title}"
            typer.echo(f"{item.run.run_id} {size(freed):>9} {item.part.value:<11} {about}")
    if as_json:
        return
    total = size(sum(freed for _, freed in found))
    done = "removed" if yes else "would be removed; --yes does it"
    typer.echo(f"keep {policy}: {total} in {len(found)} runs {done}")


def _found(plan: Plan, folder: StudyFolder, keep: Keep) -> list[tuple[Surplus, int]]:
    """Return what may go and is there, with its bytes."""
    observed = outlook(plan, folder, Limits(slots=None)).observed
    sized = [(item, _bytes(folder, item)) for item in surplus(plan, observed, keep)]
    return [(item, freed) for item, freed in sized if freed]


def _bytes(folder: StudyFolder, item: Surplus) -> int:
    run = folder.run(item.run.run_id)
    return optimizer_bytes(run) if item.part is Part.OPTIMIZER else checkpoint_bytes(run)


def _remove(folder: StudyFolder, item: Surplus) -> None:
    run = folder.run(item.run.run_id)
    if item.part is Part.OPTIMIZER:
        remove_optimizer(run)
    else:
        remove_checkpoints(run)
