"""Published numbers of the study (`results/published/`), and where they may stand beside ours."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.errors import RecordError

FOLDER = Path(__file__).resolve().parents[1] / "results" / "published"
"""Lies beside the packages in a checkout; an installed package does not carry it."""

TABLES = (2, 3, 4, 5, 6, 7)
COLUMNS = ("unit", "value", "table", "row", "source")
"""Columns of every file, after the quantities."""

_PLACES = ("cooldown_point", "image_ratio", "epochs")
_SAME_PLACE = 1e-9
_RULE = "inherited"
"""Of every published point: none of them starts at 100 %."""

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


def beside_curve(rows: pd.DataFrame, axis: str, folder: Path = FOLDER) -> pd.DataFrame | None:
    """Return the paper's VQAv2 scores that belong beside a curve; None if none does.

    A published model belongs there if the study measured VQAv2 of models of its size and rule of
    the learning rate that agree with it in all of cooldown point, image ratio and epochs that is
    not on the axis.

    Args:
        rows: results that are drawn.
        axis: what is on its x axis.
        folder: where the published tables lie.
    """
    if axis not in _PLACES:
        return None
    others = [name for name in _PLACES if name != axis]
    own = rows[(rows["suite"] == "vision") & (rows["learning_rate_rule"] == _RULE)]
    own = own[own["benchmark"].str.lower().str.replace(r"[_-]", "", regex=True) == "vqav2"]
    like = own[["params", "params_total", *others]].drop_duplicates().to_numpy(dtype=np.float64)
    points = vqa_v2_points(folder)
    asked = points[["params", *others]].to_numpy(dtype=np.float64)  # (points, 3)
    near = np.abs(like[:, :2] / asked[:, None, :1] - 1).min(axis=2) < SAME_SIZE  # (points, like)
    same = (np.abs(like[:, 2:] - asked[:, None, 1:]) < _SAME_PLACE).all(axis=2)
    kept: NDArray[np.bool_] = (near & same).any(axis=1)
    return points.loc[kept].reset_index(drop=True) if kept.any() else None


def vqa_v2_points(folder: Path = FOLDER) -> pd.DataFrame:
    """Return VQAv2 of tables 4 (frozen encoder) and 7 as points, scores as fractions.

    That table 7 is of the 1.4 B model is what `sweeps/paper.yaml` takes it for.

    Raises:
        RecordError: if a table cannot be read.
    """
    table_4 = published_table(4, folder)
    table_4 = table_4[table_4["frozen"] == "yes"].assign(params=79e6, size="79M")
    table_7 = published_table(7, folder).assign(params=1.4e9, size="1.4B")
    both = pd.concat([table_4, table_7], ignore_index=True)
    lines = [
        f"published (table {number}, {size})"
        for number, size in zip(both["table"], both["size"], strict=True)
    ]
    return pd.DataFrame(
        {
            "panel": "VQAv2",
            "suite": "vision",
            "benchmark": "VQAv2",
            "model": both["size"],
            "params": both["params"],
            "line": lines,
            "kind": "published",
            **{name: both[name].astype("float64") for name in _PLACES},
            "value": both["value"] / 100,
            "source": both["source"],
            "place": both["row"],
        }
    )
