"""What a family of benchmarks has to say: how its rows are asked and scored."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol, Self

from models.evaluation.discrimination import Probabilities
from models.evaluation.problem import Problem
from models.evaluation.question import Question, Row
from models.evaluation.scores import Score


class Average(StrEnum):
    """What the headline score is a mean of."""

    QUESTIONS = "questions"
    """All questions alike."""
    GROUPS = "groups"
    """The groups' means, whatever their sizes."""


class Family(Protocol):
    """The published format and metric that some benchmarks share. Pure."""

    @property
    def metric(self) -> str:
        """Name of the headline score."""
        ...

    @property
    def average(self) -> Average:
        """How single scores make the headline score."""
        ...

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row of an index file.

        Raises:
            DataError: if a value is missing or not what the format declares.
        """
        ...

    def of_index(self, questions: Sequence[Question]) -> Self:
        """Return the family as it scores a benchmark of these questions, all of its index."""
        ...

    def options(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """Return the answers to choose from, from all questions of the index; none if free."""
        ...

    def score(self, prediction: str, question: Question) -> float:
        """Score an answer, in [0, 1]."""
        ...

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return what a random guesser scores on each question, in [0, 1]."""
        ...

    def constants(self, questions: Sequence[Question]) -> Mapping[str, str]:
        """Return answers that know nothing of the single question, by the metric they are told as.

        Each is given to every question and averaged as the headline score is.

        Args:
            questions: all questions of the index.
        """
        ...

    def problems(self, prediction: str, question: Question) -> tuple[Problem, ...]:
        """Name what is wrong with a row or its prediction; each is counted."""
        ...

    def extra(
        self,
        questions: Sequence[Question],
        predictions: Sequence[str],
        probabilities: Sequence[Probabilities],
    ) -> tuple[Score, ...]:
        """Return the family's further metrics.

        Args:
            questions: those that were asked.
            predictions: the answers; empty where a question could not be asked.
            probabilities: of each question's options; empty if the answer is free, too.
        """
        ...
