"""VQAv2: free answers, scored against those of ten annotators. Pure.

Normalisation and soft accuracy are those of the official script (GT-Vision-Lab/VQA, vqaEval.py) as
vlm-evaluation applies them: all steps to the prediction, only the punctuation step to the
annotators' answers.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from models.evaluation.contractions import CONTRACTIONS
from models.evaluation.family import Average
from models.evaluation.problem import Problem
from models.evaluation.prompts import short_answer
from models.evaluation.question import Question, Row
from models.evaluation.scores import Score

ANNOTATORS = 10
"""Answers that each question has in VQAv2 (Goyal et al. 2017, arXiv:1612.00837)."""
AGREEING = 3
"""Other annotators with the same answer that make it fully right (Antol et al. 2015)."""

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_DIGIT_COMMA = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
_PERIODS = 32  # the official script passes re.UNICODE (32) where a count belongs
_ARTICLES = frozenset({"a", "an", "the"})
_ZERO_TO_TEN = (
    *("zero", "one", "two", "three", "four", "five"),
    *("six", "seven", "eight", "nine", "ten"),
)
_NUMBERS = {"none": "0", **{word: str(number) for number, word in enumerate(_ZERO_TO_TEN)}}


class Vqa:
    """The family of VQAv2."""

    metric = "accuracy"
    average = Average.QUESTIONS

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: question, img_path, answer (the majority's), all_answers, answer_type."""
        return Question(
            question_id=question_id,
            image=row.text("img_path"),
            text=short_answer(row.text("question")),
            answer=row.text("answer"),
            group=row.optional_text("answer_type"),
            votes=row.texts("all_answers"),
        )

    def options(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """Return none: answers are free."""
        del questions
        return ()

    def score(self, prediction: str, question: Question) -> float:
        """Return the soft accuracy in [0, 1]."""
        return soft_accuracy(prediction, question.votes)

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return 0 for each: a free answer cannot be guessed."""
        return [0.0] * len(questions)

    def problems(self, prediction: str, question: Question) -> tuple[Problem, ...]:
        """Name what is wrong with a row or its prediction."""
        found = (Problem.SHORT_ANSWER_LIST,) if len(question.votes) < ANNOTATORS else ()
        return found if prediction.strip() else (*found, Problem.EMPTY_ANSWER)

    def extra(self, questions: Sequence[Question], predictions: Sequence[str]) -> tuple[Score, ...]:
        """Return no further metric."""
        del questions, predictions
        return ()


def soft_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Score a prediction by the annotators who gave it, in [0, 1].

    The mean, over annotators, of min(1, matches among the others / 3); 0 if there are no answers.
    """
    if not answers:
        return 0.0
    normal = normalise(prediction)
    matches = [normal == strip_punctuation(answer) for answer in answers]
    found = sum(matches)
    scores = [min(1.0, (found - match) / AGREEING) for match in matches]
    return sum(scores) / len(scores)


def normalise(text: str) -> str:
    """Bring a prediction into the official form: "T-shirt" -> "t shirt", "two dogs" -> "2 dogs"."""
    plain = strip_punctuation(text.replace("\n", " ").replace("\t", " ").strip())
    words = [_NUMBERS.get(word, word) for word in plain.lower().split()]
    kept = [word for word in words if word not in _ARTICLES]
    return " ".join(CONTRACTIONS.get(word, word) for word in kept)


@lru_cache(maxsize=1 << 14)
def strip_punctuation(text: str) -> str:
    """Delete a mark that touches a space, or any if the text has 1,000; else make it a space."""
    delete_all = _DIGIT_COMMA.search(text) is not None
    stripped = text
    for mark in _PUNCTUATION:
        delete = delete_all or mark + " " in text or " " + mark in text
        stripped = stripped.replace(mark, "" if delete else " ")
    return _PERIOD.sub("", stripped, count=_PERIODS)
