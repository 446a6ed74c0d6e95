"""Two models on the same questions: paired differences, and whether a gap is more than noise.

A paired bootstrap over questions (Efron & Tibshirani 1993, ch. 6). Of all resamples only how often
each difference is drawn matters, so that these counts are drawn, not the questions.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.intervals import LEVEL
from orchestrator.errors import DataError

RESAMPLES = 10_000
"""Drawn for each benchmark: ends of intervals then move by about a hundredth of their width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How two models differ on one benchmark."""

    benchmark: str
    """Its name."""
    n: int
    """Questions that both have a score for."""
    only_a: int
    """Questions that only the first has a score for; they do not count."""
    only_b: int
    """Questions that only the second has a score for; they do not count."""
    score_a: float
    """Mean score of the first over the `n` questions, in [0, 1]."""
    score_b: float
    """Mean score of the second."""
    low: float
    """Lower end of the interval of `score_b - score_a`."""
    high: float
    """Upper end."""

    @property
    def difference(self) -> float:
        """Mean over questions of the second score minus the first."""
        return self.score_b - self.score_a

    @property
    def is_noise(self) -> bool:
        """Whether other questions of the same kind could as well have shown no gap."""
        return self.low <= 0.0 <= self.high


def gaps(a: pd.DataFrame, b: pd.DataFrame, rng: np.random.Generator) -> tuple[Gap, ...]:
    """Compare the answers of two models, benchmark by benchmark, in the first one's order.

    Args:
        a: answers of the first: columns `benchmark`, `question_id`, `score` (NaN for none).
        b: answers of the second.
        rng: draws the resamples.

    Raises:
        DataError: if a question is there twice, or no benchmark is in both.
    """
    for answers in (a, b):
        _check_once(answers)
    common = [name for name in dict.fromkeys(a["benchmark"]) if name in set(b["benchmark"])]
    found = tuple(gap for name in common for gap in _gap(name, a, b, rng))
    if not found:
        raise DataError(
            "no benchmark has scores of single questions of both",
            "answers.parquet",
            "compare models that were asked the same suite",
        )
    return found


def _check_once(answers: pd.DataFrame) -> None:
    twice = answers[answers.duplicated(["benchmark", "question_id"])]
    if len(twice):
        first = twice.iloc[0]
        raise DataError(
            f"{len(twice)} questions are there twice, first {first['benchmark']} "
            f"{first['question_id']}",
            "answers.parquet",
            "evaluate the model again",
        )


def _gap(name: str, a: pd.DataFrame, b: pd.DataFrame, rng: np.random.Generator) -> Iterator[Gap]:
    """Yield the gap on a benchmark, unless nobody has a score of single questions there."""
    first, second = (_scores(answers, name) for answers in (a, b))
    both = first.index.intersection(second.index)
    if not len(both):
        return
    ours, theirs = first[both].to_numpy(float), second[both].to_numpy(float)
    low, high = interval(theirs - ours, rng)
    yield Gap(
        benchmark=name,
        n=len(both),
        only_a=len(first) - len(both),
        only_b=len(second) - len(both),
        score_a=float(ours.mean()),
        score_b=float(theirs.mean()),
        low=low,
        high=high,
    )


def _scores(answers: pd.DataFrame, name: str) -> "pd.Series[float]":
    own = answers[answers["benchmark"] == name]
    return own.set_index("question_id")["score"].dropna()


def interval(differences: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """Return the percentile interval of a mean over questions, at `LEVEL`.

    Args:
        differences: of each question, (n,); at least one.
        rng: draws the resamples.
    """
    values, counts = np.unique(differences, return_counts=True)
    n = len(differences)
    drawn = rng.multinomial(n, counts / n, size=RESAMPLES)  # (RESAMPLES, values)
    means = drawn @ values / n
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)


def questions_needed(gap: Gap) -> int | None:
    """Return how many questions would show a gap of this size; None if there is no gap at all.

    The interval's half-width falls with the square root of their number.
    """
    if gap.difference == 0:
        return None
    half = (gap.high - gap.low) / 2
    return math.ceil(gap.n * (half / gap.difference) ** 2)
