"""What families have in common: answers that are written freely, or chosen among options. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Self

from models.evaluation.discrimination import Probabilities, class_scores
from models.evaluation.family import Average
from models.evaluation.problem import Problem
from models.evaluation.question import Question
from models.evaluation.scores import Score

MAJORITY_ACCURACY = "majority_accuracy"
"""What the answer that is right most often would score, given to every question."""


def majority_answer(questions: Sequence[Question]) -> str:
    """Return the right answer of most questions; the first of equals.

    Where annotators disagree, a question counts for its majority's answer.
    """
    return Counter(question.answer for question in questions).most_common(1)[0][0]


class FreeAnswer:
    """The part of a family whose answers are written freely and cannot be guessed."""

    metric = "accuracy"
    average = Average.QUESTIONS

    def of_index(self, questions: Sequence[Question]) -> Self:
        """Return the same: a score depends on its own question alone."""
        del questions
        return self

    def options(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """Return none: answers are free."""
        del questions
        return ()

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return 0 for each: a free answer cannot be guessed."""
        return [0.0] * len(questions)

    def constants(self, questions: Sequence[Question]) -> Mapping[str, str]:
        """Return the answer that is right most often."""
        return {MAJORITY_ACCURACY: majority_answer(questions)}

    def problems(self, prediction: str, question: Question) -> tuple[Problem, ...]:
        """Name what is wrong with a row or its prediction."""
        found = question.faults
        return found if prediction.strip() else (*found, Problem.EMPTY_ANSWER)

    def extra(
        self,
        questions: Sequence[Question],
        predictions: Sequence[str],
        probabilities: Sequence[Probabilities],
    ) -> tuple[Score, ...]:
        """Return no further metric."""
        del questions, predictions, probabilities
        return ()


class ChosenAnswer:
    """The part of a family whose answers are chosen: the likeliest option is right or wrong."""

    metric = "accuracy"
    average = Average.QUESTIONS

    def of_index(self, questions: Sequence[Question]) -> Self:
        """Return the same: a score depends on its own question alone."""
        del questions
        return self

    def score(self, prediction: str, question: Question) -> float:
        """Return 1 for the right option."""
        return float(prediction == question.answer)

    def constants(self, questions: Sequence[Question]) -> Mapping[str, str]:
        """Return the answer that is right most often."""
        return {MAJORITY_ACCURACY: majority_answer(questions)}

    def problems(self, prediction: str, question: Question) -> tuple[Problem, ...]:
        """Name what is wrong with a row; one of the options is always chosen."""
        del prediction
        return question.faults

    def extra(
        self,
        questions: Sequence[Question],
        predictions: Sequence[str],
        probabilities: Sequence[Probabilities],
    ) -> tuple[Score, ...]:
        """Return how well the options' probabilities tell which one is right."""
        del predictions
        return class_scores(questions, probabilities)
