"""TallyQA: how many? Answered by the likeliest number, or by the letter of one. Pure.

Acharya et al. 2019 (arXiv:1810.12440); the headline is over all questions, as in vlm-evaluation,
which asks for letters.
"""

from collections.abc import Sequence

from models.evaluation.answering import ChosenAnswer
from models.evaluation.prompts import LETTERS, lettered, number
from models.evaluation.question import Question, Row

COUNTS = 16
"""Counts that are offered as letters: 0 to 15, all answers of the published questions."""


class Tally(ChosenAnswer):
    """The family of TallyQA, answered by a number."""

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

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return 1 / counts for each."""
        return [1 / len(self.options(questions))] * len(questions)


class LetteredTally(ChosenAnswer):
    """The family of TallyQA as vlm-evaluation asks it: A stands for 0, P for 15."""

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: question, img_path, answer (a count), split (simple or complex)."""
        answer = row.whole("answer")
        if answer >= COUNTS:
            raise row.refuse("answer", f"a count from 0 to {COUNTS - 1}")
        return Question(
            question_id=question_id,
            image=row.text("img_path"),
            text=lettered(row.text("question"), [str(count) for count in range(COUNTS)]),
            answer=LETTERS[answer],
            group=row.text("split"),
        )

    def options(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """Return the letters of the counts."""
        del questions
        return tuple(LETTERS[:COUNTS])

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return 1 / counts for each."""
        return [1 / COUNTS] * len(questions)
