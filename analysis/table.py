"""The results table of a study, checked when it is read.

One row per run, suite, benchmark and metric. `cells` says which place a measured model fills in
each arm, with the arm's own labels.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from orchestrator.errors import RecordError
from orchestrator.store.layout import StudyFolder

COLUMNS = (
    "run_id",
    "subject",
    "stage",
    "model",
    "params",
    "params_total",
    "tokens",
    "text_tokens",
    "image_tokens",
    "flops",
    "arms",
    "suite",
    "benchmark",
    "metric",
    "value",
    "n",
    "stderr",
    "baseline",
    "reason",
    "device_hours",
    "code",
)
"""Columns that every results table has."""

AXES = (
    "cooldown_point", "image_ratio", "instruction_ratio", "epochs", "learning_rate_rule", "seed",
)  # fmt: skip
"""Axes that the figures read; a table of a study without one of them has it empty."""

CELL_COLUMNS = ("arm", "run_id", "stage")
"""Columns of `cells.csv` beside the axes."""

_LABEL_KEYS = ("arm", "run_id", "stage")
_NUMBERS = (
    "params", "params_total", "tokens", "text_tokens", "image_tokens", "flops", "value", "n",
    "stderr", "baseline", "device_hours", "cooldown_point", "image_ratio", "instruction_ratio",
    "epochs", "seed",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """What was measured, and where it belongs."""

    results: pd.DataFrame
    """One row per run, suite, benchmark and metric."""
    cells: pd.DataFrame
    """One row per arm and model in it."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes that some model has a value of."""
        names = [name for name in self.cells.columns if name not in _LABEL_KEYS]
        return tuple(str(name) for name in names if self.cells[name].notna().any())

    def arm_rows(self, arm: str) -> pd.DataFrame:
        """Return the results of the models in an arm, under the arm's own labels.

        `subject_stage` says what trained the model, `stage` what measured it.
        A model that fills several places of the arm appears once for each. Empty if nothing of
        the arm has been measured.
        """
        cells = self.cells[self.cells["arm"] == arm]
        labels = [name for name in self.axes if cells[name].notna().any()]
        kept = cells[["arm", "run_id", "stage", *labels]]
        kept = kept.rename(columns={"run_id": "subject", "stage": "subject_stage"})
        own = self.results[self.results["subject"].isin(kept["subject"])]
        own = own.drop(columns=[name for name in labels if name in own])
        return own.merge(kept, on="subject", how="inner").reset_index(drop=True)

    def rows(self, arms: tuple[str, ...]) -> pd.DataFrame:
        """Return the results of several arms, one below the other."""
        parts = [self.arm_rows(arm) for arm in arms]
        if not parts:
            return self.results.iloc[:0].assign(arm="", subject_stage="")
        return pd.concat(parts, ignore_index=True)


def load_table(folder: StudyFolder) -> Table:
    """Read `tables/results.parquet` and `tables/cells.csv`.

    Raises:
        RecordError: if a file is missing or unreadable, or lacks a column.
    """
    results_path = folder.tables / "results.parquet"
    cells_path = folder.tables / "cells.csv"
    try:
        results = pd.read_parquet(results_path)
    except (OSError, ValueError) as error:
        raise _unreadable(results_path, error) from error
    try:
        cells = pd.read_csv(cells_path, dtype={"arm": "str", "run_id": "str", "stage": "str"})
    except (OSError, ValueError) as error:
        raise _unreadable(cells_path, error) from error
    _check_columns(results, COLUMNS, results_path)
    _check_columns(cells, CELL_COLUMNS, cells_path)
    return Table(results=_typed(results), cells=cells)


def _typed(results: pd.DataFrame) -> pd.DataFrame:
    """Give every number column floats with NaN for absent, and every axis a column."""
    typed = results.copy()
    for name in AXES:
        if name not in typed:
            typed[name] = None
    for name in _NUMBERS:
        typed[name] = pd.to_numeric(typed[name], errors="coerce").astype("float64")
    return typed


def _check_columns(frame: pd.DataFrame, names: tuple[str, ...], path: Path) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise RecordError(
            f"the table has no column {', '.join(missing)}",
            str(path),
            "run `sweep results STUDY.yaml` with this version to write it again",
        )


def _unreadable(path: Path, error: Exception) -> RecordError:
    what = "the table is missing" if isinstance(error, FileNotFoundError) else str(error)
    return RecordError(what, str(path), "run `sweep results STUDY.yaml` to write it")
