"""`sweep report`: one page with everything a study found."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.launch.states import Moment, observe_run
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_file import load_study


def report(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study to report on")],
    root: Annotated[Path, typer.Option("--results", help="folder of results folders")] = Path(
        "results"
    ),
    seed: Annotated[int, typer.Option(help="seeds the bootstrap of findings")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="where it is, as a JSON object")] = False,
) -> None:
    """Write one HTML page: plan, progress, costs, figures, tables, fits, what is missing.

    Run `sweep results` and `sweep fit` before it. Example: sweep report sweeps/demo.yaml
    """
    import numpy as np

    from analysis.report import write_report

    folder = StudyFolder(root.absolute() / load_study(study).name)
    now = datetime.now(UTC)
    moment = Moment(now=now, since=now)
    page = write_report(
        folder, np.random.default_rng(seed), now, lambda run: observe_run(run, moment)
    )
    typer.echo(json.dumps({"report": str(page)}) if as_json else f"written to {page}")
