"""More devices than rows: the mean colour of what the devices of a row do at a time. Pure."""

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from analysis.plans.packing import Bar

ROWS = 64
"""Rows, each for an equal share of the devices."""
SPOTS = 480
"""Spots in a row, each for an equal share of the time."""


def mean_colours(
    bars: Iterable[Bar], colours: Mapping[str, str], *, devices: int, hours: float
) -> NDArray[np.float64]:
    """Return the mean colour of each spot, where an idle device is white.

    Args:
        bars: runs on devices.
        colours: `#RRGGBB` by `run_id`.
        devices: over all rows.
        hours: over all spots of a row.

    Returns:
        Red, green and blue in [0, 1], (ROWS, SPOTS, 3).
    """
    image: NDArray[np.float64] = np.ones((ROWS, SPOTS, 3))
    row_edges = np.linspace(0, devices, ROWS + 1)
    spot_edges = np.linspace(0, hours, SPOTS + 1)
    for bar in bars:
        darkening = np.array(to_rgb(colours[bar.run_id])) - 1
        rows, row_shares = _shares(row_edges, bar.device, bar.device + bar.devices)
        spots, spot_shares = _shares(spot_edges, bar.start_hours, bar.end_hours)
        covered = np.outer(row_shares, spot_shares)  # (rows, spots)
        image[rows, spots] += np.multiply.outer(covered, darkening)  # (rows, spots, 3)
    return image.clip(0, 1)  # rounding may leave it by an ulp


def _shares(
    edges: NDArray[np.float64], begin: float, end: float
) -> tuple[slice, NDArray[np.float64]]:
    """Return the bins that an interval touches, and the share of each that it covers."""
    first = max(int(np.searchsorted(edges, begin, side="right")) - 1, 0)
    last = max(int(np.searchsorted(edges, end, side="left")), first)
    inner = edges[first : last + 1]
    covered = np.minimum(inner[1:], end) - np.maximum(inner[:-1], begin)
    return slice(first, last), covered / np.diff(inner)
