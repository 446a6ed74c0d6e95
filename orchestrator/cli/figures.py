"""`sweep figures`: draw every figure that the study's arms feed."""

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_file import load_study


def figures(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study to draw")],
    root: Annotated[Path, typer.Option("--results", help="folder of results folders")] = Path(
        "results"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per figure")] = False,
) -> None:
    """Draw the study's figures as PNG and PDF, each with its numbers in a CSV beside it.

    Example: sweep figures sweeps/demo.yaml
    """
    from analysis.figures.all import draw_all
    from analysis.figures.drawn import Drawn

    folder = StudyFolder(root / load_study(study).name)
    for item in draw_all(folder):
        reason = None if isinstance(item, Drawn) else item.reason
        missing = list(item.missing) if isinstance(item, Drawn) else []
        if as_json:
            typer.echo(json.dumps({"name": item.name, "reason": reason, "missing": missing}))
        elif reason is not None:
            typer.echo(f"{item.name}: not drawn: {reason}")
        else:
            absent = f" ({len(missing)} planned runs are missing)" if missing else ""
            typer.echo(f"{item.name}: {folder.figures / item.name}.png, .pdf, .csv{absent}")
