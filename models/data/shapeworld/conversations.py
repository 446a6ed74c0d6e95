"""Instruction rows of the world, in LLaVA's format. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random

from models.data.prompt import PLACEHOLDER, REGION, answer_text, question_text
from models.data.shapeworld.corpus import draw_sum, sum_question
from models.data.shapeworld.facts import Facts
from models.data.shapeworld.language import describe
from models.data.shapeworld.questions import describe_one, draw_question, draw_questions
from models.data.shapeworld.render import Picture
from models.data.shapeworld.scene import Scene, Split, draw_scenes

Turn = tuple[str, str]
"""A question and its answer."""

_BOX_SHARE = 0.3
"""Rows with an image in which one question asks for a box."""


def image_row(key: str, image: str, turns: list[Turn]) -> dict[str, object]:
    """Return a row about an image: its place stands before the first question."""
    first, *others = turns
    return {**_row(key, [(f"{PLACEHOLDER}\n{first[0]}", first[1]), *others]), "image": image}


@dataclass(frozen=True, slots=True)
class Room:
    """How much fits in a row."""

    turns: int
    """Questions at most."""
    positions: int
    """Ids at most, without the image's."""
    encode: Callable[[str], list[int]]
    """Gives the ids of a text."""

    def fill(self, turns: Iterable[Turn]) -> list[Turn]:
        """Return the turns that fit, leaving out those that do not."""
        kept: list[Turn] = []
        left = self.positions
        for question, answer in turns:
            length = len(self.encode(question_text(question) + answer_text(answer))) + 1
            if length <= left and len(kept) < self.turns:
                kept.append((question, answer))
                left -= length
        return kept


def image_turns(scene: Scene, picture: Picture, room: Room, rng: Random) -> list[Turn]:
    """Draw questions of mixed kinds about one image, in any order."""
    drawn = draw_questions(scene, room.turns, rng)
    turns = [(question.text, question.answer) for question in drawn]
    if rng.random() < _BOX_SHARE:
        turns[rng.randrange(len(turns))] = _box_turn(scene, picture, rng)
    return room.fill(turns)


def text_rows(count: int, facts: Facts, room: Room, rng: Random) -> Iterator[dict[str, object]]:
    """Draw rows without an image: facts, sums and described scenes."""
    scenes = draw_scenes(rng, Split.INSTRUCTIONS)
    for number in range(count):
        turns = [_text_turn(facts, scenes, rng) for _ in range(room.turns)]
        yield _row(f"text_{number:06d}", room.fill(turns))


def box_text(picture: Picture, thing: int) -> str:
    """Write a thing's box: left, top, right, bottom as shares of the image, two decimals."""
    numbers = ", ".join(f"{value:.2f}" for value in box_shares(picture, thing))
    return f"[{numbers}]"


def box_shares(picture: Picture, thing: int) -> tuple[float, ...]:
    """Return a thing's box: left, top, right, bottom in [0, 1], rounded to two decimals."""
    size = len(picture.pixels)
    return tuple(round(value / size, 2) for value in picture.boxes[thing])


def _box_turn(scene: Scene, picture: Picture, rng: Random) -> Turn:
    expression, thing = describe_one(scene, rng)
    return REGION.format(expression=expression), box_text(picture, scene.things.index(thing))


def _text_turn(facts: Facts, scenes: Iterator[Scene], rng: Random) -> Turn:
    kind = rng.random()
    if kind < 0.5:
        fact = facts.draw(rng)
        return fact.question, fact.value
    if kind < 0.7:
        a, b = draw_sum(rng)
        return sum_question(a, b), str(a + b)
    scene = next(scenes)
    question = draw_question(scene, rng)
    return f"{describe(scene)} {question.text}", question.answer


def _row(key: str, turns: list[Turn]) -> dict[str, object]:
    said = [
        part
        for question, answer in turns
        for part in (
            {"from": "human", "value": question},
            {"from": "gpt", "value": answer},
        )
    ]
    return {"id": key, "conversations": said}
