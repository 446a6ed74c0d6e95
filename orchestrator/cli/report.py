"""`sweep report`: one page with everything a study found."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_file import load_study


def report(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study to report on")],
    root: Annotated[Path, typer.Option("--results", help="folder of results folders")] = Path(
        "results"
    ),
    seed: Annotated[int, typer.Option(help="seeds the bootstrap of findings")] = 0,
) -> None:
    """Write one HTML page: findings, figures, fits, costs and what is missing.

    Run `sweep results` and `sweep fit` before it. Example: sweep report sweeps/demo.yaml
    """
    import numpy as np

    from analysis.report import write_report

    folder = StudyFolder(root / load_study(study).name)
    typer.echo(f"written to {write_report(folder, np.random.default_rng(seed))}")
