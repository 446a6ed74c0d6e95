"""`sweep results`: gather what finished runs measured into one table."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from orchestrator.cli.terminal import terminal, whole
from orchestrator.store.layout import StudyFolder
from orchestrator.store.results import ResultRow, gather, write_tables
from orchestrator.store.study_plan import load_plan


def results(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study to gather")],
    root: Annotated[Path, typer.Option("--results", help="folder of results folders")] = Path(
        "results"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per number")] = False,
) -> None:
    """Gather the numbers of finished runs into tables/results.parquet and .csv.

    `sweep results compare RUN_A RUN_B` compares two models question by question.

    Example: sweep results sweeps/demo.yaml
    """
    plan = load_plan(study, results=root)
    folder = StudyFolder(root / plan.study)
    rows = gather(folder, plan)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row.flat()))
        return
    count = write_tables(folder, plan)
    terminal().print(whole(_summary(rows)))
    done = len({row.run_id for row in rows})
    typer.echo(
        f"{count:,} numbers of {done:,} runs in {folder.tables / 'results.parquet'} and .csv"
    )


def _summary(rows: tuple[ResultRow, ...]) -> Table:
    """Count what each suite and benchmark has, with the range of its values."""
    table = Table(title="what was measured", title_justify="left")
    for name in ("suite", "benchmark", "metric", "models", "least", "most", "absent"):
        table.add_column(name, justify="left" if name in ("suite", "benchmark") else "right")
    kinds = dict.fromkeys(
        (row.measure.suite, row.measure.benchmark, row.measure.metric) for row in rows
    )
    for kind in sorted(kinds):
        measures = [
            row.measure
            for row in rows
            if (row.measure.suite, row.measure.benchmark, row.measure.metric) == kind
        ]
        values = [measure.value for measure in measures if measure.value is not None]
        least, most = (f"{min(values):.3f}", f"{max(values):.3f}") if values else ("", "")
        table.add_row(*kind, f"{len(values)}", least, most, f"{len(measures) - len(values)}")
    return table
