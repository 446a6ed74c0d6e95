"""From scores of single questions to means with their standard errors. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.store.stage import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One measured number of one benchmark; what `Measure` holds without its place."""

    metric: str
    """What is measured."""
    value: float | None
    """In [0, 1], or nats, CIDEr-D in [0, 10], or a distance; None if it could not be measured."""
    n: int
    """Questions; of a loss, tokens."""
    stderr: float | None = None
    """Standard error of `value` over questions."""
    baseline: float | None = None
    """What a random guesser scores."""
    reason: str | None = None
    """Why `value` is absent."""

    def measure(self, suite: str, benchmark: str) -> Measure:
        """Say where it was measured."""
        return Measure(
            suite=suite,
            benchmark=benchmark,
            metric=self.metric,
            value=self.value,
            n=self.n,
            stderr=self.stderr,
            baseline=self.baseline,
            reason=self.reason,
        )


def mean_score(
    metric: str, values: Sequence[float], baselines: Sequence[float] | None = None
) -> Score:
    """Average over questions; the standard error is the sample's, sqrt(variance / n)."""
    n = len(values)
    if n == 0:
        return Score(metric=metric, value=None, n=0, reason="no question could be scored")
    mean = math.fsum(values) / n
    baseline = None if baselines is None else math.fsum(baselines) / n
    return Score(
        metric=metric, value=mean, n=n, stderr=_standard_error(values, mean), baseline=baseline
    )


def macro_score(metric: str, parts: Sequence[Score]) -> Score:
    """Average over parts of any size; errors are propagated as of independent parts."""
    n = sum(part.n for part in parts)
    values = [part.value for part in parts if part.value is not None]
    if not values or len(values) < len(parts):
        missing = ", ".join(part.metric for part in parts if part.value is None)
        return Score(metric=metric, value=None, n=n, reason=f"a part is absent: {missing}")
    errors = [part.stderr for part in parts if part.stderr is not None]
    baselines = [part.baseline for part in parts if part.baseline is not None]
    k = len(parts)
    return Score(
        metric=metric,
        value=math.fsum(values) / k,
        n=n,
        stderr=math.hypot(*errors) / k if len(errors) == k else None,
        baseline=math.fsum(baselines) / k if len(baselines) == k else None,
    )


def suite_scores(headlines: Sequence[Score]) -> tuple[Score, Score]:
    """Return a suite's `score` and `stable_score` from each benchmark's headline score.

    The stable score is the mean of (score - baseline) over the suite's fixed list of benchmarks,
    so that the means of two models are over the same questions.
    """
    above = [_above_baseline(headline) for headline in headlines]
    return macro_score("score", headlines), macro_score("stable_score", above)


def _above_baseline(score: Score) -> Score:
    if score.value is None or score.baseline is None:
        return Score(metric=score.metric, value=None, n=score.n)
    value = score.value - score.baseline
    return Score(metric=score.metric, value=value, n=score.n, stderr=score.stderr)


def _standard_error(values: Sequence[float], mean: float) -> float | None:
    n = len(values)
    if n < 2:
        return None
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
