"""What one benchmark found out about a model."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.evaluation.answers import Answer
from models.evaluation.scores import Score, suite_scores
from orchestrator.store.stage import Measure

AVERAGE = "average"
"""Benchmark under which a suite's own scores are recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Scores and single answers of one benchmark."""

    benchmark: str
    headline: Score
    """The score that enters the suite's average."""
    others: tuple[Score, ...]
    """Further metrics."""
    answers: tuple[Answer, ...]
    """One for each question, in the order of the index."""
    versions: tuple[str, ...] = ()
    """Of the harness and its tasks, such as `arc_easy 1.0`; none if there is no harness."""


def single_measures(suite: str, outcomes: Sequence[Outcome]) -> tuple[Measure, ...]:
    """Return every score of every benchmark."""
    return tuple(
        score.measure(suite, outcome.benchmark)
        for outcome in outcomes
        for score in (outcome.headline, *outcome.others)
    )


def suite_measures(suite: str, outcomes: Sequence[Outcome]) -> tuple[Measure, ...]:
    """Return every score of every benchmark, and the suite's averages."""
    averages = suite_scores([outcome.headline for outcome in outcomes])
    single = single_measures(suite, outcomes)
    return (*single, *(score.measure(suite, AVERAGE) for score in averages))
