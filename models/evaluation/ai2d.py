"""AI2D: questions about diagrams with lettered choices, answered by the likeliest letter. Pure.

Kembhavi et al. 2016 (arXiv:1603.07396); the headline is over all questions, as in vlm-evaluation.
"""

from collections.abc import Sequence

from models.evaluation.answering import ChosenAnswer
from models.evaluation.prompts import LETTERS, lettered
from models.evaluation.question import Question, Row

CHOICES = 4
"""Letters to choose from, also where a question has fewer choices (vlm-evaluation, ai2d.py)."""


class Ai2d(ChosenAnswer):
    """The family of AI2D."""

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: question, img_path, answer_choices, answer_label (a position), split."""
        choices, label = row.texts("answer_choices"), row.whole("answer_label")
        if not 2 <= len(choices) <= CHOICES:
            raise row.refuse("answer_choices", f"a list of 2 to {CHOICES} texts")
        if label >= len(choices):
            raise row.refuse("answer_label", f"a position from 0 to {len(choices) - 1}")
        return Question(
            question_id=question_id,
            image=row.text("img_path"),
            text=lettered(row.text("question"), choices),
            answer=LETTERS[label],
            group=row.optional_text("split"),
        )

    def options(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """Return the letters."""
        del questions
        return tuple(LETTERS[:CHOICES])

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return 1 / letters for each."""
        return [1 / CHOICES] * len(questions)
