"""Published numbers of the study (`results/published/`), and where they may stand beside ours."""

from pathlib import Path

import pandas as pd

from orchestrator.errors import RecordError

FOLDER = Path(__file__).resolve().parents[1] / "results" / "published"
"""Lies beside the packages in a checkout; an installed package does not carry it."""

TABLES = (2, 3, 4, 5, 6, 7)
COLUMNS = ("unit", "value", "table", "row", "source")
"""Columns of every file, after the quantities."""

SAME_SIZE = 0.1
"""A model whose params differ by less than this share counts as the published one: our rule."""


def published_table(number: int, folder: Path = FOLDER) -> pd.DataFrame:
    """Return a table's values, one row each, as printed.

    Raises:
        RecordError: if the file is missing or lacks a column.
    """
    path = folder / f"table_{number}.csv"
    if not path.exists():
        known = ", ".join(str(known) for known in TABLES)
        raise RecordError(
            f"the published table {number} is not kept", str(path), f"known tables: {known}"
        )
    frame = pd.read_csv(path)
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise RecordError(f"it has no column {', '.join(missing)}", str(path), "restore the file")
    return frame


def beside_figure_5(rows: pd.DataFrame, folder: Path = FOLDER) -> pd.DataFrame | None:
    """Return table 4's VQAv2 scores as points of figure 5, if the study measured such models.

    Comparable are models of 79 M parameters with a frozen tower, branching at 80 % with three
    epochs of fine-tuning, on VQAv2. None if the study has none.

    Args:
        rows: results of the arms that feed figure 5.
        folder: where the published tables lie.
    """
    names = rows["benchmark"].str.lower().str.replace(r"[_-]", "", regex=True)
    sized = (rows[["params", "params_total"]] / 79e6 - 1).abs().min(axis=1) < SAME_SIZE
    same = (names == "vqav2") & sized & (rows["cooldown_point"] == 0.8) & (rows["epochs"] == 3)
    if not same.any():
        return None
    table = published_table(4, folder)
    table = table[table["frozen"] == "yes"]
    return pd.DataFrame(
        {
            "panel": "VQAv2",
            "suite": "vision",
            "benchmark": "VQAv2",
            "facet": "",
            "model": "79M",
            "params": 79e6,
            "line": "published (table 4, 79M)",
            "kind": "published",
            "image_ratio": table["image_ratio"],
            "value": table["value"] / 100,
        }
    )
