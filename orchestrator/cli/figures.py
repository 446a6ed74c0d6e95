"""`sweep figures`: draw every figure, and write every table, that the study's arms feed."""

import json
from collections.abc import Iterator
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
    as_json: Annotated[
        bool, typer.Option("--json", help="one JSON object per figure or table")
    ] = False,
) -> None:
    """Draw the study's figures as PNG and PDF, each with its numbers in a CSV beside it.

    Its tables come as CSV, Markdown and LaTeX. Each names the planned runs that it lacks.
    Example: sweep figures sweeps/demo.yaml
    """
    folder = StudyFolder(root / load_study(study).name)
    for name, reason, files, missing in _made(folder):
        if as_json:
            paths = [str(path) for path in files]
            line = {"name": name, "reason": reason, "missing": list(missing), "files": paths}
            typer.echo(json.dumps(line))
        elif reason is not None:
            typer.echo(f"{name}: not drawn: {reason}")
        else:
            kinds = "".join(f", {path.suffix}" for path in files[1:])
            absent = f" (missing: {missing[0]}" if missing else ""
            more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
            typer.echo(f"{name}: {files[0]}{kinds}{absent}{more}{')' if missing else ''}")


def _made(
    folder: StudyFolder,
) -> Iterator[tuple[str, str | None, tuple[Path, ...], tuple[str, ...]]]:
    """Yield name, reason why not, files, and what is missing, of each figure and table."""
    from analysis.figures.all import draw_all
    from analysis.figures.drawn import NotDrawn
    from analysis.tables.all import tabulate_all
    from analysis.tables.write import KINDS

    for place, kinds, items in (
        (folder.figures, ("png", "pdf", "csv"), draw_all(folder)),
        (folder.tables, KINDS, tabulate_all(folder)),
    ):
        for item in items:
            if isinstance(item, NotDrawn):
                yield item.name, item.reason, (), ()
            else:
                files = tuple(place / f"{item.name}.{kind}" for kind in kinds)
                yield item.name, None, files, item.missing
