"""POPE: is this object in the image? Answered by the likelier of yes and no. Pure.

The headline is the unweighted mean of the splits' accuracies, as vlm-evaluation has it; precision,
recall and F1 of "yes" over all splits are the paper's (Li et al. 2023, arXiv:2305.10355).
"""

from collections.abc import Sequence

from models.evaluation.answering import ChosenAnswer
from models.evaluation.discrimination import Probabilities, binary_scores
from models.evaluation.family import Average
from models.evaluation.prompts import short_answer
from models.evaluation.question import Question, Row
from models.evaluation.scores import Score, mean_score

YES, NO = "yes", "no"


class Pope(ChosenAnswer):
    """The family of POPE."""

    average = Average.GROUPS

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: question, img_path, answer (yes or no), split."""
        answer = row.text("answer").strip().lower()
        if answer not in (YES, NO):
            raise row.refuse("answer", "yes or no")
        return Question(
            question_id=question_id,
            image=row.text("img_path"),
            text=short_answer(row.text("question")),
            answer=answer,
            group=row.text("split"),
        )

    def options(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """Return yes and no."""
        del questions
        return YES, NO

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return one half for each."""
        return [0.5] * len(questions)

    def extra(
        self,
        questions: Sequence[Question],
        predictions: Sequence[str],
        probabilities: Sequence[Probabilities],
    ) -> tuple[Score, ...]:
        """Return what is counted of yes: precision, recall, F1, share, AUROC, average precision."""
        pairs = [(q.answer, given) for q, given in zip(questions, predictions, strict=True)]
        n, right = len(pairs), pairs.count((YES, YES))
        said = sum(given == YES for _, given in pairs)
        true = sum(answer == YES for answer, _ in pairs)
        return (
            _ratio("precision", right, said, n, "yes was never answered"),
            _ratio("recall", right, true, n, "yes was never right"),
            _ratio("f1", 2 * right, said + true, n, "yes was neither answered nor right"),
            mean_score("yes_rate", [float(given == YES) for _, given in pairs]),
            *binary_scores(questions, probabilities, YES),
        )


def _ratio(metric: str, above: int, below: int, n: int, reason: str) -> Score:
    if below == 0:
        return Score(metric=metric, value=None, n=n, reason=reason)
    return Score(metric=metric, value=above / below, n=n)
