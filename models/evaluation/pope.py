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
from models.ratio import ratio_of_sums

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
        said = [given == YES for given in predictions]
        true = [question.answer == YES for question in questions]
        right = [both == (True, True) for both in zip(said, true, strict=True)]
        named = [a + b for a, b in zip(said, true, strict=True)]
        twice = [2 * one for one in right]
        return (
            _ratio("precision", right, said, "yes was never answered"),
            _ratio("recall", right, true, "yes was never right"),
            _ratio("f1", twice, named, "yes was neither answered nor right"),
            mean_score("yes_rate", [float(one) for one in said]),
            *binary_scores(questions, probabilities, YES),
        )


def _ratio(metric: str, above: Sequence[int], below: Sequence[int], reason: str) -> Score:
    """Return the ratio of two sums over questions."""
    if not sum(below):
        return Score(metric=metric, value=None, n=len(below), reason=reason)
    value, stderr = ratio_of_sums(above, below)
    return Score(metric=metric, value=value, n=len(below), stderr=stderr)
