"""How each family words its question. One place, one version: scores are compared within it.

The words are those of `models.data.prompt`, which training uses too: vlm-evaluation's, so that
scores can be set beside published ones.
"""

from collections.abc import Sequence
from enum import StrEnum

from models.data.prompt import CAPTION, LETTER, REGION, SHORT_ANSWER, TRUE_OR_FALSE, UNANSWERABLE

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Letters of choices, in order."""

PROMPT_VERSION = 1
"""Raise when the words below or in `models.data.prompt` change: older scores are of other words."""


class Wording(StrEnum):
    """Whose words a benchmark is asked in."""

    PUBLISHED = "published"
    """The family's, as published."""
    PLAIN = "plain"
    """The question alone, for models whose instructions do not ask for short answers."""


def worded(text: str, wording: Wording) -> str:
    """Return a family's question in a wording."""
    if wording is Wording.PUBLISHED:
        return text
    for asked in (SHORT_ANSWER, UNANSWERABLE, LETTER):
        text = text.removesuffix(asked)
    return text


def short_answer(question: str) -> str:
    """Ask for a word or phrase: VQAv2, GQA, TextVQA, POPE."""
    return question + SHORT_ANSWER


def short_answer_if_answerable(question: str) -> str:
    """Ask for a word or phrase, or to say that there is no answer: VizWiz."""
    return question + UNANSWERABLE + SHORT_ANSWER


def true_or_false(statement: str) -> str:
    """Ask whether a statement is true: VSR."""
    return TRUE_OR_FALSE.format(statement=statement)


def lettered(question: str, choices: Sequence[str]) -> str:
    """Ask for the letter of a choice: AI2D, TallyQA as vlm-evaluation asks it."""
    lines = [f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False)]
    assert len(lines) == len(choices), "there are no more choices than letters"
    return "\n".join([question, *lines]) + LETTER


def region(expression: str) -> str:
    """Ask for a box: RefCOCO, OCID-Ref."""
    return REGION.format(expression=expression)


def caption() -> str:
    """Ask for a caption: COCO captions, NoCaps."""
    return CAPTION


def number(question: str) -> str:
    """Ask how many: TallyQA.

    vlm-evaluation offers the counts as lettered choices; here the number itself is the answer.
    """
    return question + SHORT_ANSWER
