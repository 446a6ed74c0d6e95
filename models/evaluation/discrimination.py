"""AUROC and average precision of a benchmark's options, as vlm-evaluation reports them. Pure.

They are over all questions together and, where there are groups, over each. A question that could
not be asked has no probabilities and is left out, though accuracies count it as wrong; `n` counts
the others, and the benchmark's `unasked_rate` tells how many are missing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from models.evaluation.question import Question
from models.evaluation.ranking import (
    auroc,
    average_precision,
    one_vs_one_auroc,
    one_vs_rest_precision,
)
from models.evaluation.ranking_error import (
    auroc_error,
    average_precision_error,
    one_vs_one_auroc_error,
    one_vs_rest_precision_error,
)
from models.evaluation.scores import Score

Probabilities = Mapping[str, float]
"""Of each option of a question; empty if it could not be asked."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A question that was asked."""

    answer: str
    group: str
    probabilities: Probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """How well some cases are ranked; None where they cannot be."""

    auroc: float | None
    auroc_error: float | None
    precision: float | None
    precision_error: float | None
    precision_by_chance: float | None
    missing: str
    """Why there is no value, where there is none."""


def binary_scores(
    questions: Sequence[Question], probabilities: Sequence[Probabilities], positive: str
) -> tuple[Score, ...]:
    """Return how well an option's probability tells where it is right."""

    def measured(cases: Sequence[_Case]) -> _Measured:
        chances = [case.probabilities[positive] for case in cases]
        is_right = [case.answer == positive for case in cases]
        area = auroc(chances, is_right)
        missing = "no answer is" if not any(is_right) else "every answer is"
        return _Measured(
            auroc=area,
            auroc_error=auroc_error(chances, is_right),
            # Without wrong cases any ranking is perfect, and the precision says nothing.
            precision=average_precision(chances, is_right) if area is not None else None,
            precision_error=average_precision_error(chances, is_right),
            precision_by_chance=sum(is_right) / len(cases) if cases else None,
            missing=f"{missing} {positive!r}",
        )

    return _by_group(_cases(questions, probabilities), measured)


def class_scores(
    questions: Sequence[Question], probabilities: Sequence[Probabilities]
) -> tuple[Score, ...]:
    """Return how well the options' probabilities tell which of them is right.

    One-vs-one AUROC and one-vs-rest average precision, each the plain mean over the options that
    are the right answer to a question.
    """

    def measured(cases: Sequence[_Case]) -> _Measured:
        options = list(cases[0].probabilities) if cases else []
        values = [[case.probabilities[option] for option in options] for case in cases]
        labels = [options.index(case.answer) for case in cases]
        present = len(set(labels))
        return _Measured(
            auroc=one_vs_one_auroc(values, labels),
            auroc_error=one_vs_one_auroc_error(values, labels),
            precision=one_vs_rest_precision(values, labels),
            precision_error=one_vs_rest_precision_error(values, labels),
            precision_by_chance=1 / present if present else None,
            missing="every answer is the same",
        )

    return _by_group(_cases(questions, probabilities), measured)


def _cases(questions: Sequence[Question], probabilities: Sequence[Probabilities]) -> list[_Case]:
    return [
        _Case(question.answer, question.group, chances)
        for question, chances in zip(questions, probabilities, strict=True)
        if chances
    ]


def _by_group(
    cases: Sequence[_Case], measured: Callable[[Sequence[_Case]], _Measured]
) -> tuple[Score, ...]:
    """Return the scores of all cases, and of each group where there are several."""
    names = sorted({case.group for case in cases})
    parts = {"": cases}
    if len(names) > 1:
        parts |= {f"_{name}": [case for case in cases if case.group == name] for name in names}
    return tuple(
        score
        for suffix, some in parts.items()
        for score in _scores(measured(some), len(some), suffix)
    )


def _scores(found: _Measured, n: int, suffix: str) -> tuple[Score, Score]:
    missing = found.missing if n else "no question could be asked"

    def score(
        metric: str, value: float | None, stderr: float | None, baseline: float | None
    ) -> Score:
        if value is None:
            return Score(metric=metric, value=None, n=n, reason=missing)
        return Score(metric=metric, value=value, n=n, stderr=stderr, baseline=baseline)

    return (
        score(f"auroc{suffix}", found.auroc, found.auroc_error, 0.5),
        score(
            f"average_precision{suffix}",
            found.precision,
            found.precision_error,
            found.precision_by_chance,
        ),
    )
