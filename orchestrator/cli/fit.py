"""`sweep fit`: fit the study's scaling laws, or say why not."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestrator.cli.terminal import terminal, whole
from orchestrator.errors import ConfigError
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import load_plan

if TYPE_CHECKING:
    from analysis.report.fits import ShownFit


def fit(  # noqa: PLR0913  (options of a command)
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study to fit")],
    root: Annotated[Path, typer.Option("--results", help="folder of results folders")] = Path(
        "results"
    ),
    seed: Annotated[int, typer.Option(help="seeds the bootstrap")] = 0,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="losses of an equal value share their noise and are resampled together: params, "
            "seed, ...; absent, those of one trunk, if there are 8 trunks",
        ),
    ] = None,
    questions: Annotated[
        bool,
        typer.Option(
            "--questions",
            help="draw the questions of each benchmark anew, too, so that the intervals of fits to "
            "scores hold their noise",
        ),
    ] = False,
    design: Annotated[
        str | None,
        typer.Option(
            metavar="QUANTITY", help="say which further runs narrow alpha, beta, E or a most"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per fit")] = False,
) -> None:
    """Fit losses, and scores over one axis and all, with intervals; writes fits/*.json.

    Example: sweep fit sweeps/demo.yaml
    """
    import numpy as np

    from analysis.fits.drawn_questions import Noise
    from analysis.fits.effects import fit_effects
    from analysis.fits.joint import fit_joint
    from analysis.fits.study import LOSS_OF_PARAMS_AND_TOKENS, fit_study
    from analysis.report.fits import shown_fits
    from orchestrator.cli.design import addition_lines

    if design is not None and as_json:
        raise ConfigError(
            "--design speaks to people", "sweep fit --json", "leave one of the two out"
        )
    folder = StudyFolder(root / load_study(study).name)
    fits = fit_study(folder, np.random.default_rng(seed), cluster=cluster)
    noise = Noise.RUNS_AND_QUESTIONS if questions else Noise.RUNS
    effects = fit_effects(folder, np.random.default_rng(seed), noise=noise)
    joint = fit_joint(folder, np.random.default_rng(seed), noise=noise)
    if as_json:
        for item in (*fits, *effects, *joint):
            typer.echo(json.dumps(item.plain()))
    else:
        for shown in shown_fits(folder):
            _print(shown)
        typer.echo(f"written to {folder.fits}")
    if design is not None:
        asked = next(item for item in fits if item.task.name == LOSS_OF_PARAMS_AND_TOKENS)
        if asked.fit is None:
            assert asked.refusal is not None, "a fit that was not made was refused"
            raise asked.refusal
        lines = addition_lines(load_plan(study, results=root), asked.fit, design)
        typer.echo("\n".join(lines))


def _print(shown: "ShownFit") -> None:
    if shown.refusal:
        typer.echo(f"{shown.name}: refused: {shown.refusal}")
        return
    typer.echo(f"{shown.name}: {shown.equation}")
    table = Table()
    for name in ("parameter", "value", shown.level):
        table.add_column(name, justify="left" if name == "parameter" else "right")
    for name, value, interval in shown.values:
        table.add_row(name, value, escape(interval))
    terminal().print(whole(table))
    typer.echo(shown.how)
    for kind, detail in shown.flags:
        typer.echo(f"doubt: {kind}: {detail}")
