"""TallyQA: how many? Answered by the likeliest number. Pure.

Acharya et al. 2019 (arXiv:1810.12440); the headline is over all questions, as in vlm-evaluation.
"""

from collections.abc import Sequence

from models.evaluation.family import Average
from models.evaluation.problem import Problem
from models.evaluation.prompts import number
from models.evaluation.question import Question, Row
from models.evaluation.scores import Score


class Tally:
    """The family of TallyQA."""

    metric = "accuracy"
    average = Average.QUESTIONS

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: question, img_path, answer (a count), split (simple or complex)."""
        return Question(
            question_id=question_id,
            image=row.text("img_path"),
            text=number(row.text("question")),
            answer=str(row.whole("answer")),
            group=row.text("split"),
        )

    def options(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """Return the counts from 0 to the largest answer of the index."""
        largest = max(int(question.answer) for question in questions)
        return tuple(str(count) for count in range(largest + 1))

    def score(self, prediction: str, question: Question) -> float:
        """Return 1 for the right count."""
        return float(prediction == question.answer)

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return 1 / counts for each."""
        return [1 / len(self.options(questions))] * len(questions)

    def problems(self, prediction: str, question: Question) -> tuple[Problem, ...]:
        """Return none: one of the counts is always chosen."""
        del prediction, question
        return ()

    def extra(self, questions: Sequence[Question], predictions: Sequence[str]) -> tuple[Score, ...]:
        """Return no further metric."""
        del questions, predictions
        return ()
