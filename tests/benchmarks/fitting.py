"""How much quicker the engine is than the method of the Chinchilla replication's notebook.

Run by hand: `python tests/benchmarks/fitting.py`. The reference is that method re-stated in SciPy
(Besiroglu et al. 2024, arXiv:2404.10102): L-BFGS-B with finite differences on the Huber loss of
(log A, log B, log E, alpha, beta), from 4,500 starts, and 4,000 resamples refitted from one start.
A part of its starts and refits is timed and scaled up, since all of them take minutes. CPU time of
one process, in rounds in which the two take turns, so that a busy machine matters little.
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special

from analysis.fits.bootstrap import resample_weights
from analysis.fits.engine import find_optimum, fit
from analysis.fits.estimator import HUBER, LEAST_ABSOLUTE, Estimator
from analysis.fits.points import Points, clean_points
from analysis.fits.problem import Problem
from analysis.fits.refit import refit
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
TIMED_STARTS, TIMED_REFITS, REFITS = 30, 40, 4_000
ROUNDS = 3
LIMIT_SECONDS = 0.5
Floats = NDArray[np.float64]


def chinchilla_points() -> Points:
    frame = pd.read_csv(DATA)
    kept = frame[frame["kept"] == 1]
    labels = [str(row) for row in kept["row"]]
    return clean_points(kept[["N", "D"]].to_numpy(), kept["loss"].to_numpy(), labels)


def objective(theta: Floats, logs: Floats, target: Floats, delta: float) -> float:
    """Return the notebook's objective at (log A, log B, log E, alpha, beta); delta 0 for |r|."""
    terms = np.stack(
        [
            theta[0] - theta[3] * logs[:, 0],
            theta[1] - theta[4] * logs[:, 1],
            np.full(len(target), theta[2]),
        ]
    )
    residuals = target - special.logsumexp(terms, axis=0)
    return float((special.huber(delta, residuals) if delta else np.abs(residuals)).sum())


def reference(start: Floats, logs: Floats, target: Floats, delta: float = DELTA) -> Any:
    return optimize.minimize(objective, start, (logs, target, delta), method="L-BFGS-B")


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def by_grid(points: Points, first: int) -> float:
    """Return the seconds that 4,500 starts take, from every so many of the grid after the first."""
    starts = np.array(list(itertools.product(*GRID)))
    logs, target = np.log(points.inputs), np.log(points.observed)
    chosen = starts[first :: len(starts) // TIMED_STARTS]

    def run() -> None:
        for start in chosen:
            reference(start, logs, target)

    return seconds(run) * len(starts) / len(chosen)


def by_refits(points: Points, start: Floats, delta: float = DELTA) -> float:
    """Return the seconds that 4,000 refits of resamples take, from a part of them."""
    logs, target = np.log(points.inputs), np.log(points.observed)
    rng = np.random.default_rng(42)

    def run() -> None:
        for _ in range(TIMED_REFITS):
            drawn = rng.integers(len(points), size=len(points))
            reference(start, logs[drawn], target[drawn], delta)

    return seconds(run) * REFITS / TIMED_REFITS


def many_points(count: int) -> Points:
    rng = np.random.default_rng(0)
    inputs = np.exp(rng.uniform(np.log([1e7, 1e9]), np.log([1e10, 1e12]), (count, 2)))
    truth = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
    clean = loss(inputs[:, 0], inputs[:, 1], values=truth)
    noisy = clean * np.exp(0.005 * rng.standard_normal(count))
    return clean_points(inputs, noisy, [str(i) for i in range(count)])


def optimum(points: Points, estimator: Estimator) -> Floats:
    """Return where the notebook's refits start: our optimum in its parameters."""
    values = fit(CHINCHILLA, points, np.random.default_rng(0), estimator=estimator).values
    logs = np.log([values["A"], values["B"], values["E"]])
    return np.array([*logs, values["alpha"], values["beta"]])


def refitting(points: Points, estimator: Estimator, replicates: int) -> float:
    """Return the seconds that 4,000 of our refits take, from so many."""
    problem = Problem(CHINCHILLA, points, estimator)
    optima = find_optimum(problem, points).theta
    weights = resample_weights(points, replicates, np.random.default_rng(0))
    return seconds(lambda: refit(problem, optima, weights)) * REFITS / replicates


def show(what: str, ours: Sequence[float], theirs: Sequence[float], aim: str) -> None:
    """Print the median of the rounds' ratios, with the least and the greatest."""
    ratios = np.array(theirs) / np.array(ours)
    print(
        f"{what}: {np.median(ours):.3g} s, the notebook's method {np.median(theirs):.3g} s: "
        f"{np.median(ratios):,.0f} x ({ratios.min():,.0f} to {ratios.max():,.0f}), {aim}"
    )


def main() -> None:
    points = chinchilla_points()
    ours: dict[str, list[float]] = {"fit": [], "huber": [], "lad": []}
    theirs: dict[str, list[float]] = {"fit": [], "huber": [], "lad": []}
    starts = {"huber": optimum(points, HUBER), "lad": optimum(points, LEAST_ABSOLUTE)}
    for turn in range(ROUNDS):
        ours["fit"].append(seconds(lambda: fit(CHINCHILLA, points, np.random.default_rng(0))))
        theirs["fit"].append(by_grid(points, turn))
        ours["huber"].append(refitting(points, HUBER, REFITS))
        theirs["huber"].append(by_refits(points, starts["huber"]))
        ours["lad"].append(refitting(points, LEAST_ABSOLUTE, REFITS // 10))
        theirs["lad"].append(by_refits(points, starts["lad"], 0.0))
    show(f"fit, {math.prod(map(len, GRID)):,} starts", ours["fit"], theirs["fit"], "aim 5,000 x")
    show(f"bootstrap, {REFITS:,} refits", ours["huber"], theirs["huber"], "aim 100 x")
    show(
        f"bootstrap by least absolute deviations, {REFITS:,}", ours["lad"], theirs["lad"], "no aim"
    )
    many = many_points(20_000)
    taken = seconds(lambda: fit(CHINCHILLA, many, np.random.default_rng(0)))
    print(f"fit of {len(many):,} points: {taken:.2f} s, limit {LIMIT_SECONDS} s")


if __name__ == "__main__":
    main()
