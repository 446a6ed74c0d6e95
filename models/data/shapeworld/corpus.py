"""The text of the world: documents without images. Pure.

Some describe imagined scenes, or ask about one that is described. Others state facts about
entities or ask for them, and a few add numbers: what captions alone do not teach.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from models.data.prompt import answer_text, question_text
from models.data.shapeworld.facts import Fact, Facts
from models.data.shapeworld.language import caption, describe
from models.data.shapeworld.questions import draw_question
from models.data.shapeworld.scene import Split, draw_scenes
from models.data.shapeworld.vocabulary import LARGEST_TERM

_STATEMENTS = (3, 8)
"""Fewest and most facts, or sums, that one document states."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text, and the facts that can be learned from it."""

    text: str
    facts: tuple[Fact, ...] = ()


class Corpus:
    """Documents of one split, drawn without end.

    Args:
        facts: what the documents state.
        split: which scenes they imagine.
        rng: draws everything.
    """

    def __init__(self, facts: Facts, split: Split, rng: Random) -> None:
        self._facts, self._rng = facts, rng
        self._scenes = draw_scenes(rng, split)
        kinds: dict[Callable[[], Document], int] = {  # with how often each is drawn
            self._description: 5,
            self._reading: 6,
            self._statements: 6,
            self._fact_question: 6,
            self._sums: 1,
            self._sum_question: 2,
        }
        self._kinds, self._weights = tuple(kinds), tuple(kinds.values())

    def draw(self) -> Document:
        """Draw one document."""
        (kind,) = self._rng.choices(self._kinds, self._weights)
        return kind()

    def _description(self) -> Document:
        return Document(caption(next(self._scenes), self._rng))

    def _reading(self) -> Document:
        scene = next(self._scenes)
        question = draw_question(scene, self._rng)
        return _dialogue(f"{describe(scene)} {question.text}", question.answer)

    def _statements(self) -> Document:
        facts = tuple(self._facts.draw(self._rng) for _ in range(self._rng.randint(*_STATEMENTS)))
        return Document(" ".join(fact.statement for fact in facts), facts)

    def _fact_question(self) -> Document:
        fact = self._facts.draw(self._rng)
        return Document(_dialogue(fact.question, fact.value).text, (fact,))

    def _sums(self) -> Document:
        sums = [draw_sum(self._rng) for _ in range(self._rng.randint(*_STATEMENTS))]
        return Document(" ".join(f"{a} + {b} = {a + b}." for a, b in sums))

    def _sum_question(self) -> Document:
        a, b = draw_sum(self._rng)
        return _dialogue(sum_question(a, b), str(a + b))


def draw_sum(rng: Random) -> tuple[int, int]:
    """Draw the two terms of a sum."""
    return rng.randint(0, LARGEST_TERM), rng.randint(0, LARGEST_TERM)


def sum_question(a: int, b: int) -> str:
    """Ask for a sum."""
    return f"what is {a} + {b}?"


def _dialogue(question: str, answer: str) -> Document:
    return Document(question_text(question) + answer_text(answer))
