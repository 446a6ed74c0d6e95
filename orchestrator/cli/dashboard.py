"""`sweep dashboard`: a study's workspace at Weights & Biases."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.launch.dashboard import project_of, save, score_names, workspace, write_view
from orchestrator.store.layout import StudyFolder
from orchestrator.store.records import claim_study
from orchestrator.store.study_plan import load_plan


def dashboard(  # noqa: PLR0913  (each is an option of the command)
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study")],
    *,
    project: Annotated[
        str | None, typer.Option(help="W&B project [WANDB_PROJECT, or the study's name]")
    ] = None,
    entity: Annotated[str | None, typer.Option(help="W&B user or team [WANDB_ENTITY]")] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="only write results/<study>/dashboard.json")
    ] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
    ] = None,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="where it is, as a JSON object")] = False,
) -> None:
    """Make or update the study's W&B workspace: curves by stage, scores over axes.

    Example: sweep dashboard sweeps/demo.yaml --offline
    """
    plan = load_plan(study, tuple(overrides or ()), results)
    folder = StudyFolder(results.absolute() / plan.study)
    claim_study(folder, plan.study)
    place = project_of(plan)
    place = replace(place, name=project or place.name, entity=entity or place.entity)
    made = workspace(plan, score_names(plan, folder), place)
    if offline:
        write_view(made, folder)
        where = str(folder.dashboard)
    else:
        where = save(made, folder)
    typer.echo(json.dumps({"dashboard": where}) if as_json else f"dashboard: {where}")
