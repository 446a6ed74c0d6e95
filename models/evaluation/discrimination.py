"""AUROC and average precision of a benchmark's options, as vlm-evaluation reports them. Pure.

They are over all questions together and, where there are groups, over each. A question that could
not be asked has no probabilities and is left out; `n` counts the others.
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
from models.evaluation.scores import Score

Probabilities = Mapping[str, float]
"""Of each option of a question; empty if it could not be asked."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A question that was asked."""

    answer: str
    group: str
    probabilities: Probabilities


def binary_scores(
    questions: Sequence[Question], probabilities: Sequence[Probabilities], positive: str
) -> tuple[Score, ...]:
    """Return how well an option's probability tells where it is right."""

    def measured(cases: Sequence[_Case], suffix: str) -> tuple[Score, Score]:
        n = len(cases)
        chances = [case.probabilities[positive] for case in cases]
        is_right = [case.answer == positive for case in cases]
        area = auroc(chances, is_right)
        # Without wrong cases any ranking is perfect, and the precision says nothing.
        precision = average_precision(chances, is_right) if area is not None else None
        missing = "no answer is" if not any(is_right) else "every answer is"
        share = sum(is_right) / n if n else None
        reason = f"{missing} {positive!r}" if n else "no question could be asked"
        return (
            _score(f"auroc{suffix}", area, n, 0.5, reason),
            _score(f"average_precision{suffix}", precision, n, share, reason),
        )

    return _by_group(_cases(questions, probabilities), measured)


def class_scores(
    questions: Sequence[Question], probabilities: Sequence[Probabilities]
) -> tuple[Score, ...]:
    """Return how well the options' probabilities tell which of them is right.

    One-vs-one AUROC and one-vs-rest average precision, each the plain mean over the options that
    are the right answer to a question.
    """

    def measured(cases: Sequence[_Case], suffix: str) -> tuple[Score, Score]:
        n = len(cases)
        options = list(cases[0].probabilities) if cases else []
        values = [[case.probabilities[option] for option in options] for case in cases]
        labels = [options.index(case.answer) for case in cases]
        present = len(set(labels))
        reason = "every answer is the same" if n else "no question could be asked"
        share = 1 / present if present else None
        return (
            _score(f"auroc{suffix}", one_vs_one_auroc(values, labels), n, 0.5, reason),
            _score(
                f"average_precision{suffix}",
                one_vs_rest_precision(values, labels),
                n,
                share,
                reason,
            ),
        )

    return _by_group(_cases(questions, probabilities), measured)


def _cases(questions: Sequence[Question], probabilities: Sequence[Probabilities]) -> list[_Case]:
    return [
        _Case(question.answer, question.group, chances)
        for question, chances in zip(questions, probabilities, strict=True)
        if chances
    ]


def _by_group(
    cases: Sequence[_Case], measured: Callable[[Sequence[_Case], str], tuple[Score, Score]]
) -> tuple[Score, ...]:
    names = sorted({case.group for case in cases})
    parts = names if len(names) > 1 else []
    return (
        *measured(cases, ""),
        *(
            score
            for name in parts
            for score in measured([case for case in cases if case.group == name], f"_{name}")
        ),
    )


def _score(metric: str, value: float | None, n: int, baseline: float | None, reason: str) -> Score:
    if value is None:
        return Score(metric=metric, value=None, n=n, reason=reason)
    return Score(metric=metric, value=value, n=n, baseline=baseline)
