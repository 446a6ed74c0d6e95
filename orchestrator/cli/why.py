"""`sweep why`: say why a run is in a study, what it stands on, and what it is like."""

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.why_words import State, why_lines, why_object
from orchestrator.plan.compare.why import find_run, why_of
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_plan import load_plan


def why(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study it is in")],
    run: Annotated[str, typer.Argument(metavar="RUN", help="its name, or how that begins")],
    *,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
    ] = None,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Say why a run exists: what it serves, needs and saves, and what it is like.

    Example: sweep why sweeps/paper.yaml 3f2a9c
    """
    plan = load_plan(study, tuple(overrides or ()), results)
    found = why_of(plan, find_run(plan, run))
    state = _state(plan, found.run, StudyFolder(results.absolute() / plan.study))
    if as_json:
        print(json.dumps(why_object(found, state)))
    else:
        print("\n".join(why_lines(found, state)))


def _state(plan: Plan, run: PlannedRun, folder: StudyFolder) -> State | None:
    """Return where a run stands; None for a study that was never launched."""
    if not folder.runs.is_dir():
        return None
    # Here and not above, because it takes longer to load than all the rest of this command.
    from orchestrator.cli.status import status_objects

    return next(line for line in status_objects(plan, folder) if line["run_id"] == run.run_id)
