"""`sweep fit`: fit the study's scaling laws, or say why not."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.errors import ConfigError
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import load_plan

if TYPE_CHECKING:
    from analysis.fits.study import StudyFit


def fit(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study to fit")],
    root: Annotated[Path, typer.Option("--results", help="folder of results folders")] = Path(
        "results"
    ),
    seed: Annotated[int, typer.Option(help="seeds the bootstrap")] = 0,
    design: Annotated[
        str | None,
        typer.Option(
            metavar="QUANTITY", help="say which further runs narrow alpha, beta, E or a most"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per fit")] = False,
) -> None:
    """Fit the text losses of the study's trunks, with intervals; writes fits/*.json.

    Example: sweep fit sweeps/demo.yaml
    """
    import numpy as np

    from analysis.fits.study import LOSS_OF_PARAMS_AND_TOKENS, fit_study
    from orchestrator.cli.design import addition_lines

    if design is not None and as_json:
        raise ConfigError(
            "--design speaks to people", "sweep fit --json", "leave one of the two out"
        )
    folder = StudyFolder(root / load_study(study).name)
    fits = fit_study(folder, np.random.default_rng(seed))
    for item in fits:
        if as_json:
            typer.echo(json.dumps(item.plain()))
        else:
            _print(item)
    if not as_json:
        typer.echo(f"written to {folder.fits}")
    if design is not None:
        asked = next(item for item in fits if item.task.name == LOSS_OF_PARAMS_AND_TOKENS)
        if asked.fit is None:
            assert asked.refusal is not None, "a fit that was not made was refused"
            raise asked.refusal
        lines = addition_lines(load_plan(study, results=root), asked.fit, design)
        typer.echo("\n".join(lines))


def _print(item: "StudyFit") -> None:
    if item.fit is None:
        typer.echo(f"{item.task.name}: refused: {item.refusal}")
        return
    made = item.fit
    typer.echo(f"{item.task.name}: {made.law.equation}")
    table = Table()
    for name in ("parameter", "value", "90 % interval"):
        table.add_column(name, justify="left" if name == "parameter" else "right")
    for value in (*made.parameters, *made.derived):
        interval = "" if value.low is None else f"[{value.low:.4g}, {value.high:.4g}]"
        table.add_row(value.name, f"{value.value:.4g}", interval.replace("[", "\\["))
    method = made.interval.method if made.interval else "no intervals"
    Console().print(table)
    typer.echo(f"{made.estimator.name}; {len(made.used)} points; {method}")
    for flag in made.flags:
        typer.echo(f"doubt: {flag.kind.value}: {flag.detail}")
