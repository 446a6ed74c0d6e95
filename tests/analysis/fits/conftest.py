"""The Chinchilla replication's points."""

from pathlib import Path

import pandas as pd
import pytest

from analysis.fits.points import Points, clean_points

CHINCHILLA_CSV = Path(__file__).parents[3] / "analysis" / "notebooks" / "chinchilla.csv"


@pytest.fixture(scope="package")
def chinchilla_points() -> Points:
    frame = pd.read_csv(CHINCHILLA_CSV)
    kept = frame[frame["kept"] == 1]
    labels = [f"row {row}" for row in kept["row"]]
    return clean_points(kept[["N", "D"]].to_numpy(), kept["loss"].to_numpy(), labels)
