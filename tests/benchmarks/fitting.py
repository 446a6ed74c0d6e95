"""How much quicker the engine is than the method of the Chinchilla replication's notebook.

Run by hand: `python tests/benchmarks/fitting.py`. The reference is that method re-stated in SciPy
(Besiroglu et al. 2024, arXiv:2404.10102): L-BFGS-B with finite differences on the Huber loss of
(log A, log B, log E, alpha, beta), from 4,500 starts, and 4,000 resamples refitted from one start.
A part of the starts and refits is timed and scaled up, since all of them take minutes. CPU time of
one process, so that a busy machine matters little.
"""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special

from analysis.fits.bootstrap import Bootstrap
from analysis.fits.engine import fit
from analysis.fits.points import Points, clean_points
from analysis.laws.chinchilla import CHINCHILLA, loss

DATA = Path(__file__).parents[2] / "analysis" / "notebooks" / "chinchilla.csv"
DELTA = 1e-3
GRID = (
    [0.0, 5.0, 10.0, 15.0, 20.0, 25.0],  # log A
    [0.0, 5.0, 10.0, 15.0, 20.0, 25.0],  # log B
    [-1.0, -0.5, 0.0, 0.5, 1.0],  # log E
    [0.0, 0.5, 1.0, 1.5, 2.0],  # alpha
    [0.0, 0.5, 1.0, 1.5, 2.0],  # beta
)
"""4,500 starts: the notebook's, and Hoffmann et al.'s (appendix D.3)."""
TIMED_STARTS, TIMED_REFITS, REFITS = 60, 40, 4_000
LIMIT_SECONDS = 0.5
Floats = NDArray[np.float64]


def chinchilla_points() -> Points:
    frame = pd.read_csv(DATA)
    kept = frame[frame["kept"] == 1]
    labels = [str(row) for row in kept["row"]]
    return clean_points(kept[["N", "D"]].to_numpy(), kept["loss"].to_numpy(), labels)


def objective(theta: Floats, logs: Floats, target: Floats) -> float:
    """Return the notebook's objective at (log A, log B, log E, alpha, beta)."""
    terms = np.stack(
        [
            theta[0] - theta[3] * logs[:, 0],
            theta[1] - theta[4] * logs[:, 1],
            np.full(len(target), theta[2]),
        ]
    )
    predicted = special.logsumexp(terms, axis=0)
    return float(special.huber(DELTA, target - predicted).sum())


def reference(start: Floats, logs: Floats, target: Floats) -> Any:
    return optimize.minimize(objective, start, (logs, target), method="L-BFGS-B")


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """Return the least CPU time of some work."""
    times: list[float] = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def by_grid(points: Points) -> float:
    """Return the seconds that 4,500 starts take, from a part of them, every so many of the grid."""
    starts = np.array(list(itertools.product(*GRID)))
    logs, target = np.log(points.inputs), np.log(points.observed)
    chosen = starts[:: len(starts) // TIMED_STARTS]

    def run() -> None:
        for start in chosen:
            reference(start, logs, target)

    return seconds(run) * len(starts) / len(chosen)


def by_refits(points: Points, start: Floats) -> float:
    """Return the seconds that 4,000 refits of resamples take, from a part of them."""
    logs, target = np.log(points.inputs), np.log(points.observed)
    rng = np.random.default_rng(42)

    def run() -> None:
        for _ in range(TIMED_REFITS):
            drawn = rng.integers(len(points), size=len(points))
            reference(start, logs[drawn], target[drawn])

    return seconds(run) * REFITS / TIMED_REFITS


def many_points(count: int) -> Points:
    rng = np.random.default_rng(0)
    inputs = np.exp(rng.uniform(np.log([1e7, 1e9]), np.log([1e10, 1e12]), (count, 2)))
    truth = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
    clean = loss(inputs[:, 0], inputs[:, 1], values=truth)
    noisy = clean * np.exp(0.005 * rng.standard_normal(count))
    return clean_points(inputs, noisy, [str(i) for i in range(count)])


def main() -> None:
    points = chinchilla_points()
    made = fit(CHINCHILLA, points, np.random.default_rng(0))
    ours = seconds(lambda: fit(CHINCHILLA, points, np.random.default_rng(0)), 5)
    theirs = by_grid(points)
    print(
        f"fit: {ours:.3f} s, the notebook's {len(list(itertools.product(*GRID))):,} starts "
        f"{theirs:.0f} s (scaled from {TIMED_STARTS}): {theirs / ours:,.0f} x, aim 5,000 x"
    )
    values = made.values
    start = np.array(
        [*np.log([values["A"], values["B"], values["E"]]), values["alpha"], values["beta"]]
    )
    how = Bootstrap(replicates=REFITS)
    alone = seconds(lambda: fit(CHINCHILLA, points, np.random.default_rng(0), intervals=how))
    theirs = by_refits(points, start)
    print(
        f"bootstrap: {alone - ours:.1f} s for {REFITS:,} replicates, the notebook's refits "
        f"{theirs:.0f} s (scaled from {TIMED_REFITS}): {theirs / (alone - ours):,.0f} x, aim 100 x"
    )
    many = many_points(20_000)
    taken = seconds(lambda: fit(CHINCHILLA, many, np.random.default_rng(0)), 2)
    print(f"fit of {len(many):,} points: {taken:.2f} s, limit {LIMIT_SECONDS} s")


if __name__ == "__main__":
    main()
