"""Questions about a scene, with answers: for text, instructions and benchmarks alike. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from random import Random

from models.data.shapeworld.language import (
    Kind,
    absent_names,
    confusable,
    matching,
    noun_of,
    plural,
    related_pair,
)
from models.data.shapeworld.scene import COLOURS, SHAPES, Scene, Thing

_PASSES = 3
"""Over the kinds, for one image: a scene of one shape soon runs out of questions."""


class QuestionKind(StrEnum):
    """What is asked for."""

    COLOUR = "colour"
    SHAPE = "shape"
    WHERE = "where"
    COUNT = "count"
    EXISTS = "exists"
    RELATION = "relation"


OF_IMAGES = (
    QuestionKind.COLOUR,
    QuestionKind.SHAPE,
    QuestionKind.WHERE,
    QuestionKind.COUNT,
    QuestionKind.EXISTS,
)
"""Kinds that are asked of images; relations are told in captions and asked in text."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its one right answer."""

    kind: QuestionKind
    text: str
    answer: str


def ask(scene: Scene, kind: QuestionKind, rng: Random) -> Question | None:
    """Draw a question of one kind; None where the scene allows none without ambiguity."""
    drawn = _ASK[kind](scene, rng)
    return drawn and Question(kind, *drawn)


def draw_question(scene: Scene, rng: Random) -> Question:
    """Draw a question of any kind that the scene allows."""
    for kind in rng.sample(list(QuestionKind), len(QuestionKind)):
        question = ask(scene, kind, rng)
        if question is not None:
            return question
    raise AssertionError("every scene can be asked about the colour at a place")


def draw_questions(scene: Scene, count: int, rng: Random) -> list[Question]:
    """Draw up to `count` different questions, of kinds as mixed as the scene allows."""
    found: dict[str, Question] = {}
    for _ in range(_PASSES):
        for kind in rng.sample(OF_IMAGES, len(OF_IMAGES)):
            if len(found) == count:
                return list(found.values())
            question = ask(scene, kind, rng)
            if question is not None:
                found.setdefault(question.text, question)
    return list(found.values())


def describe_one(scene: Scene, rng: Random) -> tuple[str, Thing]:
    """Draw an expression that is true of exactly one thing, and the thing."""
    thing = rng.choice(scene.things)
    expressions = [f"shape at {thing.place}"]
    if matching(scene, (thing.colour, thing.shape)) == 1:
        expressions += [thing.name, thing.name, thing.name]
    if matching(scene, (None, thing.shape)) == 1:
        expressions.append(thing.shape)
    if matching(scene, (thing.colour, None)) == 1:
        expressions.append(f"{thing.colour} shape")
    return rng.choice(expressions), thing


def counting(scene: Scene, rng: Random, *, coloured: bool) -> tuple[str, int]:
    """Ask for the number of things of a kind; numbers that can be asked for are equally likely.

    Args:
        scene: what is asked about.
        rng: draws the number and the kind.
        coloured: whether the kind names a colour; it may name a shape in either case.
    """
    by_count: dict[int, list[Kind]] = {}
    for kind in product(COLOURS if coloured else (None,), (None, *SHAPES)):
        by_count.setdefault(matching(scene, kind), []).append(kind)
    count = rng.choice(sorted(by_count))
    kind = rng.choice(by_count[count])
    return f"how many {plural(noun_of(kind))} are there?", count


def _colour(scene: Scene, rng: Random) -> tuple[str, str]:
    thing = rng.choice(scene.things)
    if matching(scene, (None, thing.shape)) == 1 and rng.random() < 0.5:
        return f"what colour is the {thing.shape}?", thing.colour
    return f"what colour is at {thing.place}?", thing.colour


def _shape(scene: Scene, rng: Random) -> tuple[str, str]:
    thing = rng.choice(scene.things)
    if matching(scene, (thing.colour, None)) == 1 and rng.random() < 0.5:
        return f"what shape is {thing.colour}?", thing.shape
    return f"what shape is at {thing.place}?", thing.shape


def _where(scene: Scene, rng: Random) -> tuple[str, str] | None:
    named = scene.unique()
    if not named:
        return None
    thing = rng.choice(named)
    return f"where is the {thing.name}?", thing.place


def _count(scene: Scene, rng: Random) -> tuple[str, str]:
    text, count = counting(scene, rng, coloured=rng.random() < 0.5)
    return text, str(count)


def _exists(scene: Scene, rng: Random) -> tuple[str, str]:
    if rng.random() < 0.5:
        return f"is there a {rng.choice(scene.things).name}?", "yes"
    absent = absent_names(scene)
    names = confusable(scene, absent) if rng.random() < 0.5 else absent
    return f"is there a {rng.choice(names)}?", "no"


def _relation(scene: Scene, rng: Random) -> tuple[str, str] | None:
    pair = related_pair(scene, rng)
    if pair is None:
        return None
    first, second, word = pair
    if rng.random() < 0.5:
        return f"is the {first.name} {word} the {second.name}?", "yes"
    return f"is the {second.name} {word} the {first.name}?", "no"


_ASK: dict[QuestionKind, Callable[[Scene, Random], tuple[str, str] | None]] = {
    QuestionKind.COLOUR: _colour,
    QuestionKind.SHAPE: _shape,
    QuestionKind.WHERE: _where,
    QuestionKind.COUNT: _count,
    QuestionKind.EXISTS: _exists,
    QuestionKind.RELATION: _relation,
}
