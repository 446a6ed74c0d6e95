"""GQA: one right answer, met exactly. Pure.

Hudson & Manning 2019 (arXiv:1902.09506). vlm-evaluation deletes ASCII punctuation from the
prediction and lower-cases it, and leaves the right answer as it is; the official script (eval.py)
compares the two as they are.
"""

import string
from dataclasses import dataclass

from models.evaluation.answering import FreeAnswer
from models.evaluation.prompts import short_answer
from models.evaluation.question import Question, Row
from models.evaluation.rule import Rule

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Gqa(FreeAnswer):
    """The family of GQA's balanced test-dev questions."""

    rule: Rule = Rule.VLM_EVALUATION

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: question, img_path, answer."""
        return Question(
            question_id=question_id,
            image=row.text("img_path"),
            text=short_answer(row.text("question")),
            answer=row.text("answer"),
        )

    def score(self, prediction: str, question: Question) -> float:
        """Return 1 for the right answer."""
        given = prediction if self.rule is Rule.OFFICIAL else normalise(prediction)
        return float(given == question.answer)


def normalise(prediction: str) -> str:
    """Delete ASCII punctuation and lower the case; spaces at the ends stay."""
    return prediction.translate(_NO_PUNCTUATION).lower()
