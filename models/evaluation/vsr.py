"""VSR: is this statement about the image true? Answered by the likelier of True and False. Pure.

Liu et al. 2023 (arXiv:2205.00363), zero-shot split.
"""

from collections.abc import Sequence

from models.evaluation.answering import ChosenAnswer
from models.evaluation.discrimination import Probabilities, binary_scores
from models.evaluation.prompts import true_or_false
from models.evaluation.question import Question, Row
from models.evaluation.scores import Score, mean_score

TRUE, FALSE = "True", "False"


class Vsr(ChosenAnswer):
    """The family of VSR."""

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: caption, img_path, true_false (a truth value)."""
        is_true = row.values.get("true_false")
        if not isinstance(is_true, bool):
            raise row.refuse("true_false", "true or false")
        return Question(
            question_id=question_id,
            image=row.text("img_path"),
            text=true_or_false(row.text("caption")),
            answer=TRUE if is_true else FALSE,
        )

    def options(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """Return True and False."""
        del questions
        return TRUE, FALSE

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return one half for each."""
        return [0.5] * len(questions)

    def extra(
        self,
        questions: Sequence[Question],
        predictions: Sequence[str],
        probabilities: Sequence[Probabilities],
    ) -> tuple[Score, ...]:
        """Return what always saying True would score, how often it was said, and its ranking."""
        return (
            mean_score("always_true_accuracy", [float(q.answer == TRUE) for q in questions]),
            mean_score("true_rate", [float(given == TRUE) for given in predictions]),
            *binary_scores(questions, probabilities, TRUE),
        )
