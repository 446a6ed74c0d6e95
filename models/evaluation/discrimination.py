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
            _score(
                Score(
                    metric=f"auroc{suffix}",
                    value=area,
                    n=n,
                    stderr=auroc_error(chances, is_right),
                    baseline=0.5,
                ),
                reason,
            ),
            _score(
                Score(
                    metric=f"average_precision{suffix}",
                    value=precision,
                    n=n,
                    stderr=average_precision_error(chances, is_right),
                    baseline=share,
                ),
                reason,
            ),
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
            _score(
                Score(
                    metric=f"auroc{suffix}",
                    value=one_vs_one_auroc(values, labels),
                    n=n,
                    stderr=one_vs_one_auroc_error(values, labels),
                    baseline=0.5,
                ),
                reason,
            ),
            _score(
                Score(
                    metric=f"average_precision{suffix}",
                    value=one_vs_rest_precision(values, labels),
                    n=n,
                    stderr=one_vs_rest_precision_error(values, labels),
                    baseline=share,
                ),
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


def _score(score: Score, reason: str) -> Score:
    """Return a score that was measured, or why it could not be."""
    if score.value is None:
        return Score(metric=score.metric, value=None, n=score.n, reason=reason)
    return score
