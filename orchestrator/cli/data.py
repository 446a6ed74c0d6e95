"""`sweep data`: make the data that a study makes itself."""

import time
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.store.data_folder import collection_folder, ensure_made
from orchestrator.store.study_file import load_plan

data = typer.Typer(no_args_is_help=True, help="Make the data that a study makes itself.")


@data.callback()
def _group() -> None:
    """Keep `make` a subcommand, though it is the only one."""


@data.command()
def make(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study to make data for")],
    root: Annotated[Path, typer.Option("--data", help="folder of data collections")] = Path(
        "results/data"
    ),
) -> None:
    """Make a study's own data; what is there already is left alone.

    Example: sweep data make sweeps/demo.yaml
    """
    began = time.monotonic()
    plan = load_plan(study)
    made = ensure_made(plan, root, lambda line: typer.echo(line, err=True))
    for folder in made:
        typer.echo(f"made {folder} in {time.monotonic() - began:.0f} s")
    if not made:
        folders = [str(collection_folder(root, item.name, item.version)) for item in plan.made]
        typer.echo(f"nothing to make: {', '.join(folders) or 'the study makes no data'}")
