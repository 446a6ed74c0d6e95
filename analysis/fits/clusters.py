"""Points that share their noise, as a user names them: by size, by seed, by trunk. Pure."""

from collections.abc import Sequence

import pandas as pd

from orchestrator.errors import FitError

FEWEST = 5
"""Clusters that a user may ask to resample: 5 allow 126 different resamples, C(2G - 1, G), and 4
only 35, of which the ends of a 90 % interval would be the second from each side."""


def cluster_keys(frame: pd.DataFrame, name: str) -> list[str]:
    """Return the cluster of each row: rows of an equal value of a column share their noise.

    Raises:
        FitError: if there is no such column, or it is empty in some row.
    """
    if name not in frame.columns:
        filled = [str(column) for column in frame.columns if frame[column].notna().any()]
        raise FitError(
            f"no column {name} to cluster by",
            f"its columns are {', '.join(filled)}",
            "name one whose equal values share their noise, such as params or seed",
        )
    absent = frame[name].isna()
    if absent.any():
        raise FitError(
            f"{name} is empty in {int(absent.sum())} of {len(frame)} rows",
            f"first: row {frame.index[absent][0]}",
            "cluster by a column that every row has a value of",
        )
    return [str(key) for key in frame[name]]


def check_clusters(keys: Sequence[str] | None, name: str) -> None:
    """Refuse to resample so few clusters that their resamples are nearly all alike.

    Raises:
        FitError: with fewer than `FEWEST`.
    """
    count = len(set(keys or ()))
    if count < FEWEST:
        raise FitError(
            f"{count} of the {FEWEST} clusters by {name} that a bootstrap needs",
            f"{len(keys or ())} points",
            f"measure at more values of {name}, or cluster by another column",
        )
