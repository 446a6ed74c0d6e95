"""An interpreter of questions and expressions, written without the code that makes them."""

import re
from collections.abc import Callable

import pytest

from models.data.shapeworld.scene import Scene, Thing


@pytest.fixture(scope="session")
def right_answer() -> Callable[[Scene, str], str]:
    """Answers a question about a scene; fails where it is ambiguous."""
    return answer_to


@pytest.fixture(scope="session")
def named() -> Callable[[Scene, str], list[Thing]]:
    """Finds the things that an expression is true of."""
    return find


def matches(thing: Thing, words: str) -> bool:
    """Whether a thing is what the words name: `circles`, `red shape`, `shape at top left`."""
    noun, _, place = words.partition(" at ")
    *colour, shape = noun.split(" ")
    shape = re.sub(r"(?<=cross)es$|(?<=[^s])s$", "", shape)
    return (
        shape in ("shape", thing.shape)
        and colour in ([], [thing.colour])
        and place in ("", thing.place)
    )


def find(scene: Scene, words: str) -> list[Thing]:
    return [thing for thing in scene.things if matches(thing, words)]


def answer_to(scene: Scene, question: str) -> str:
    if found := re.fullmatch(r"what (colour|shape) is at ([a-z ]+)\?", question):
        (thing,) = find(scene, f"shape at {found[2]}")
        return thing.colour if found[1] == "colour" else thing.shape
    if found := re.fullmatch(r"what colour is the (\w+)\?", question):
        (thing,) = find(scene, found[1])
        return thing.colour
    if found := re.fullmatch(r"what shape is (\w+)\?", question):
        (thing,) = find(scene, f"{found[1]} shape")
        return thing.shape
    if found := re.fullmatch(r"where is the (\w+ \w+)\?", question):
        (thing,) = find(scene, found[1])
        return thing.place
    if found := re.fullmatch(r"how many ([\w ]+) are there\?", question):
        return str(len(find(scene, found[1])))
    if found := re.fullmatch(r"is there a (\w+ \w+)\?", question):
        return "yes" if find(scene, found[1]) else "no"
    found = re.fullmatch(r"is the (\w+ \w+) (left of|above) the (\w+ \w+)\?", question)
    assert found, question
    (first,), (second,) = find(scene, found[1]), find(scene, found[3])
    before = first.column < second.column if found[2] == "left of" else first.row < second.row
    return "yes" if before else "no"
