"""The results table: every measured number of a study, with what it is a number of.

One row per run, suite, benchmark and metric. A run that is not done has no row; what is absent
within a finished run has a row with a reason. `cells` says which runs fill which arms.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from orchestrator.plan.lineage import Totals, from_scratch
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.codec import Scalar
from orchestrator.spec.run import Evaluate
from orchestrator.store.attempts import attempt_numbers, spent
from orchestrator.store.files import read_json, replacing
from orchestrator.store.layout import RunFolder, StudyFolder
from orchestrator.store.records import is_done, read_result
from orchestrator.store.stage import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One measured number."""

    run_id: str
    """The run that measured it."""
    subject: str
    """`run_id` of the model it is about; `run_id` itself for a training run."""
    stage: str
    """What the run did."""
    axes: dict[str, Scalar | None]
    """The run's settings, by the columns of the plan; None where a stage has no such setting."""
    arms: str
    """Arms it serves, separated by semicolons."""
    params: int
    """N without embeddings."""
    params_total: int
    """N with embeddings and output layer."""
    tokens: int
    """D: training tokens the model has seen since its initial weights."""
    image_tokens: int
    """Those of `tokens` in sequences with images."""
    flops: float
    """C: training compute since the initial weights, in FLOP."""
    measure: Measure
    """The number."""
    device_hours: float | None
    """Hours that this run took on its device, over all attempts; None if not recorded."""
    code: str | None
    """Commit of the code that ran it, if known."""

    def flat(self) -> dict[str, Scalar | None]:
        """Return the row by column name."""
        own = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in ("axes", "measure")
        }
        measured = {field.name: getattr(self.measure, field.name) for field in fields(Measure)}
        return {**own, **self.axes, **measured}


def gather(folder: StudyFolder, plan: Plan) -> tuple[ResultRow, ...]:
    """Read the results of a plan's finished runs.

    Raises:
        RecordError: if a finished run's files are damaged.
    """
    totals = from_scratch(plan.runs)
    planned = {run.run_id: run for run in plan.runs}
    rows: list[ResultRow] = []
    for run in plan.runs:
        run_folder = folder.run(run.run_id)
        if not is_done(run_folder):
            continue
        subject = planned[run.config.parent] if isinstance(run.config, Evaluate) else run
        axes = _axes(run, plan)
        rows += _rows(run, subject, axes, totals.get(subject.run_id, Totals()), run_folder)
    return tuple(rows)


def write_tables(folder: StudyFolder, plan: Plan) -> int:
    """Write `results.parquet`, `results.csv` and `cells.csv`; return the number of result rows.

    Raises:
        RecordError: if a finished run's files are damaged.
    """
    rows = [row.flat() for row in gather(folder, plan)]
    columns = _columns(plan)
    _write_csv(folder.tables / "results.csv", columns, rows)
    _write_parquet(folder.tables / "results.parquet", columns, rows)
    _write_csv(folder.tables / "cells.csv", ("arm", "run_id", "stage", *plan.columns), cells(plan))
    return len(rows)


def cells(plan: Plan) -> list[dict[str, Scalar | None]]:
    """Return one row per arm and model, with all its settings and the arm's own labels on top."""
    return [
        {
            "arm": cell.arm,
            "run_id": run.run_id,
            "stage": run.stage.value,
            **_axes(run, plan),
            **{axis.name: axis.value for axis in cell.axes},
        }
        for run in plan.runs
        for cell in run.cells
    ]


def _rows(
    run: PlannedRun,
    subject: PlannedRun,
    axes: dict[str, Scalar | None],
    totals: Totals,
    folder: RunFolder,
) -> Iterable[ResultRow]:
    hours = _device_hours(folder)
    code = _code(folder)
    for measure in read_result(folder).measures:
        yield ResultRow(
            run_id=run.run_id,
            subject=subject.run_id,
            stage=run.stage.value,
            axes=axes,
            arms=";".join(run.arms),
            params=subject.cost.params,
            params_total=subject.cost.params_total,
            tokens=totals.tokens,
            image_tokens=totals.image_tokens,
            flops=totals.flops,
            measure=measure,
            device_hours=hours,
            code=code,
        )


def _axes(run: PlannedRun, plan: Plan) -> dict[str, Scalar | None]:
    known = {axis.name: axis.value for axis in run.axes}
    return {name: known.get(name) for name in plan.columns}


def _device_hours(folder: RunFolder) -> float | None:
    took = spent(folder)
    return took.device_seconds / 3600 if took.device_seconds else None


def _code(folder: RunFolder) -> str | None:
    numbers = attempt_numbers(folder)
    path = folder.attempt(numbers[-1]).environment if numbers else None
    if path is None or not path.exists():
        return None
    code = read_json(path).get("code")
    return code if isinstance(code, str) else None


def _columns(plan: Plan) -> tuple[str, ...]:
    own = [field.name for field in fields(ResultRow) if field.name not in ("axes", "measure")]
    measured = [field.name for field in fields(Measure)]
    return (*own[:3], *plan.columns, *own[3:-2], *measured, *own[-2:])


def _write_csv(
    path: Path, columns: tuple[str, ...], rows: Iterable[dict[str, Scalar | None]]
) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(
    path: Path, columns: tuple[str, ...], rows: list[dict[str, Scalar | None]]
) -> None:
    import pandas as pd  # here, since no other command should wait for it

    table = pd.DataFrame(rows, columns=list(columns)).convert_dtypes()
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False)
