"""How each family words its question. One place, one version: scores are compared within it.

The words are those of `models.data.prompt`, which training uses too: vlm-evaluation's, so that
scores can be set beside published ones.
"""

from enum import StrEnum

from models.data.prompt import REGION, SHORT_ANSWER

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
    return text.removesuffix(SHORT_ANSWER) if wording is Wording.PLAIN else text


def short_answer(question: str) -> str:
    """Ask for a word or phrase: VQAv2, POPE."""
    return question + SHORT_ANSWER


def region(expression: str) -> str:
    """Ask for a box: RefCOCO."""
    return REGION.format(expression=expression)


def number(question: str) -> str:
    """Ask how many: TallyQA.

    vlm-evaluation offers the counts as lettered options; here the number itself is the answer.
    """
    return question + SHORT_ANSWER
