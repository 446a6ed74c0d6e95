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
    from collections.abc import Sequence

    from analysis.fits.effects import EffectFit
    from analysis.fits.record import Value
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
    """Fit text losses and the effects of a study's axes, with intervals; writes fits/*.json.

    Example: sweep fit sweeps/demo.yaml
    """
    import numpy as np

    from analysis.fits.effects import fit_effects
    from analysis.fits.study import LOSS_OF_PARAMS_AND_TOKENS, fit_study
    from orchestrator.cli.design import addition_lines

    if design is not None and as_json:
        raise ConfigError(
            "--design speaks to people", "sweep fit --json", "leave one of the two out"
        )
    folder = StudyFolder(root / load_study(study).name)
    fits = fit_study(folder, np.random.default_rng(seed))
    effects = fit_effects(folder, np.random.default_rng(seed))
    if as_json:
        for item in (*fits, *effects):
            typer.echo(json.dumps(item.plain()))
    else:
        for item in fits:
            _print(item)
        for effect in effects:
            _print_effect(effect)
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
    method = made.interval.method if made.interval else "no intervals"
    _print_values((*made.parameters, *made.derived))
    typer.echo(f"{made.estimator.name}; {len(made.used)} points; {method}")
    for flag in made.flags:
        typer.echo(f"doubt: {flag.kind.value}: {flag.detail}")


def _print_effect(item: "EffectFit") -> None:
    if item.refusal is not None:
        typer.echo(f"{item.effect.name}: refused: {item.refusal}")
        return
    typer.echo(f"{item.effect.name}: {item.equation}")
    _print_values(item.values)
    typer.echo(f"{len(item.run_ids)} points; for {item.effect.words}")
    for kind, detail in item.doubts:
        typer.echo(f"doubt: {kind}: {detail}")


def _print_values(values: "Sequence[Value]") -> None:
    table = Table()
    for name in ("parameter", "value", "90 % interval"):
        table.add_column(name, justify="left" if name == "parameter" else "right")
    for value in values:
        interval = "" if value.low is None else f"[{value.low:.4g}, {value.high:.4g}]"
        table.add_row(value.name, f"{value.value:.4g}", interval.replace("[", "\\["))
    Console().print(table)
