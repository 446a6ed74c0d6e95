"""VQAv2: free answers, scored against those of ten annotators. Pure.

Normalisation and soft accuracy are those of the official script (GT-Vision-Lab/VQA, vqaEval.py).
vlm-evaluation applies all steps to the prediction, only the punctuation step to the annotators'
answers; the official script all steps to both where annotators disagree, else none to either.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from models.evaluation.answering import FreeAnswer
from models.evaluation.contractions import CONTRACTIONS
from models.evaluation.problem import Problem
from models.evaluation.prompts import short_answer
from models.evaluation.question import Question, Row
from models.evaluation.rule import Rule

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


@dataclass(frozen=True, slots=True)
class Vqa(FreeAnswer):
    """The family of VQAv2."""

    rule: Rule = Rule.VLM_EVALUATION

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

    def score(self, prediction: str, question: Question) -> float:
        """Return the soft accuracy in [0, 1]."""
        if self.rule is Rule.OFFICIAL:
            return official_accuracy(prediction, question.votes)
        return soft_accuracy(prediction, question.votes)

    def problems(self, prediction: str, question: Question) -> tuple[Problem, ...]:
        """Name what is wrong with a row or its prediction."""
        found = FreeAnswer.problems(self, prediction, question)
        return (Problem.SHORT_ANSWER_LIST, *found) if len(question.votes) < ANNOTATORS else found


def soft_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Score a prediction as vlm-evaluation does, in [0, 1]."""
    return agreement(normalise(prediction), [strip_punctuation(answer) for answer in answers])


def official_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Score a prediction as the official script does, in [0, 1]."""
    given, others = one_line(prediction), [one_line(answer) for answer in answers]
    if len(set(others)) > 1:
        given, others = normalise(given), [normalise(answer) for answer in others]
    return agreement(given, others)


def agreement(answer: str, answers: Sequence[str]) -> float:
    """Score an answer by the annotators who gave it, in [0, 1].

    The mean, over annotators, of min(1, matches among the others / 3) (Antol et al. 2015); 0 if
    there are no annotators.
    """
    if not answers:
        return 0.0
    matches = [answer == other for other in answers]
    found = sum(matches)
    scores = [min(1.0, (found - match) / AGREEING) for match in matches]
    return sum(scores) / len(scores)


def majority(answers: Sequence[str]) -> str:
    """Return the answer that most annotators gave; the first of equals."""
    return Counter(answers).most_common(1)[0][0]


def normalise(text: str, contractions: Mapping[str, str] = CONTRACTIONS) -> str:
    """Bring an answer into the official form: "T-shirt" -> "t shirt", "two dogs" -> "2 dogs"."""
    words = [_NUMBERS.get(word, word) for word in strip_punctuation(one_line(text)).lower().split()]
    kept = [word for word in words if word not in _ARTICLES]
    return " ".join(contractions.get(word, word) for word in kept)


def one_line(text: str) -> str:
    """Make line breaks and tabs spaces, and delete spaces at the ends."""
    return text.replace("\n", " ").replace("\t", " ").strip()


@lru_cache(maxsize=1 << 14)
def strip_punctuation(text: str) -> str:
    """Delete a mark that touches a space, or any if the text has 1,000; else make it a space."""
    delete_all = _DIGIT_COMMA.search(text) is not None
    stripped = text
    for mark in _PUNCTUATION:
        delete = delete_all or mark + " " in text or " " + mark in text
        stripped = stripped.replace(mark, "" if delete else " ")
    return _PERIOD.sub("", stripped, count=_PERIODS)
