"""VizWiz: questions of blind people, some of which the image does not answer. Pure.

Gurari et al. 2018 (arXiv:1802.08218). Soft accuracy over ten annotators, whose answers are taken as
they are; the prediction is normalised as in VQAv2, but most contractions have another mark than
VQAv2's apostrophe: a typographic one in VizWiz's own script, a back-tick in vlm-evaluation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from models.evaluation.answering import FreeAnswer
from models.evaluation.contractions import CONTRACTIONS
from models.evaluation.discrimination import Probabilities
from models.evaluation.problem import Problem
from models.evaluation.prompts import short_answer_if_answerable
from models.evaluation.question import Question, Row
from models.evaluation.rule import Rule
from models.evaluation.scores import Score
from models.evaluation.vqa import ANNOTATORS, agreement, majority, normalise

ANSWERABLE, UNANSWERABLE = "answerable", "unanswerable"
"""Groups of questions; the second is also the right answer to its questions."""

_APOSTROPHES = frozenset(
    {*("ain't", "aren't", "can't", "could've", "couldn't"), *("we've", "where's", "who've")}
)
"""Contractions that VizWiz's script spells with an apostrophe; all others have another mark."""
_OTHER_MARK = {Rule.VLM_EVALUATION: "`", Rule.OFFICIAL: "\N{RIGHT SINGLE QUOTATION MARK}"}


def _spelled(mark: str) -> dict[str, str]:
    """Return the table of contractions with a mark in the place of most apostrophes."""
    table = {
        wrong.replace("'", mark): word if word in _APOSTROPHES else word.replace("'", mark)
        for wrong, word in CONTRACTIONS.items()
    }
    for wrong in ("couldn'tve", "hadn'tve"):  # these keys kept their apostrophe
        table[wrong] = table.pop(wrong.replace("'", mark))
    return table


_CONTRACTIONS = {rule: _spelled(mark) for rule, mark in _OTHER_MARK.items()}


@dataclass(frozen=True, slots=True)
class VizWiz(FreeAnswer):
    """The family of VizWiz."""

    rule: Rule = Rule.VLM_EVALUATION

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: question, img_path, answers (a list in a list), answerable (0 or 1)."""
        answerable = row.whole("answerable")
        if answerable not in (0, 1):
            raise row.refuse("answerable", "0 or 1")
        votes = _votes(row)
        return Question(
            question_id=question_id,
            image=row.text("img_path"),
            text=short_answer_if_answerable(row.text("question")),
            answer=majority(votes),
            group=ANSWERABLE if answerable else UNANSWERABLE,
            votes=votes,
        )

    def score(self, prediction: str, question: Question) -> float:
        """Return the soft accuracy in [0, 1]."""
        return agreement(normal_answer(prediction, self.rule), question.votes)

    def problems(self, prediction: str, question: Question) -> tuple[Problem, ...]:
        """Name what is wrong with a row or its prediction."""
        found = FreeAnswer.problems(self, prediction, question)
        return (Problem.SHORT_ANSWER_LIST, *found) if len(question.votes) < ANNOTATORS else found

    def extra(
        self,
        questions: Sequence[Question],
        predictions: Sequence[str],
        probabilities: Sequence[Probabilities],
    ) -> tuple[Score, ...]:
        """Return average precision and F1 of saying that a question cannot be answered."""
        del probabilities
        true = [question.group == UNANSWERABLE for question in questions]
        said = [normal_answer(prediction, self.rule) == UNANSWERABLE for prediction in predictions]
        n, positive, chosen = len(true), sum(true), sum(said)
        if positive == 0:
            reason = "every question can be answered"
            return (
                Score(metric="unanswerable_average_precision", value=None, n=n, reason=reason),
                Score(metric="unanswerable_f1", value=None, n=n, reason=reason),
            )
        right = sum(one and other for one, other in zip(true, said, strict=True))
        # Answers are 0 or 1, so the curve has two points: those said, and all.
        precision, recall = right / chosen if chosen else 0.0, right / positive
        average = recall * precision + (1 - recall) * positive / n
        f1 = 2 * right / (chosen + positive)
        return (
            Score(metric="unanswerable_average_precision", value=average, n=n),
            Score(metric="unanswerable_f1", value=f1, n=n),
        )


def normal_answer(prediction: str, rule: Rule) -> str:
    """Bring a prediction into the form of a script, such as "dont" -> "don`t"."""
    return normalise(prediction, _CONTRACTIONS[rule])


def _votes(row: Row) -> tuple[str, ...]:
    """Read answers as vlm-evaluation nests them, or as VizWiz publishes them."""
    value = row.values.get("answers")
    items = cast(list[object], value) if isinstance(value, list) else []
    if len(items) == 1 and isinstance(items[0], list):
        items = cast(list[object], items[0])
    votes: list[str] = []
    for item in items:
        given = cast(dict[str, object], item).get("answer") if isinstance(item, dict) else None
        if not isinstance(given, str):
            raise row.refuse("answers", "a list of objects with a text in answer")
        votes.append(given)
    if not votes:
        raise row.refuse("answers", "a list of objects with a text in answer")
    return tuple(votes)
