"""What families have in common: answers that are written freely, or chosen among options. Pure."""

from collections.abc import Sequence

from models.evaluation.discrimination import Probabilities
from models.evaluation.family import Average
from models.evaluation.problem import Problem
from models.evaluation.question import Question
from models.evaluation.scores import Score


class FreeAnswer:
    """The part of a family whose answers are written freely and cannot be guessed."""

    metric = "accuracy"
    average = Average.QUESTIONS

    def options(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """Return none: answers are free."""
        del questions
        return ()

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return 0 for each: a free answer cannot be guessed."""
        return [0.0] * len(questions)

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

    def score(self, prediction: str, question: Question) -> float:
        """Return 1 for the right option."""
        return float(prediction == question.answer)

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
        """Return no further metric."""
        del questions, predictions, probabilities
        return ()
