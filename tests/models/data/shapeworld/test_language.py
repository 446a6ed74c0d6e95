"""Captions say what is there."""

import re
from itertools import islice
from random import Random

from models.data.shapeworld.language import caption, describe, plural
from models.data.shapeworld.scene import Scene, Split, draw_scenes

SCENES = list(islice(draw_scenes(Random(0), Split.TRAIN), 400))


def stated(text: str) -> set[tuple[str, str]]:
    return {(name, place) for name, place in re.findall(r"(\w+ \w+) at ([a-z ]+)[,.]", text)}


def places(scene: Scene) -> set[tuple[str, str]]:
    return {(thing.name, thing.place) for thing in scene.things}


def test_a_description_states_everything_once_as_one_reads() -> None:
    for scene in SCENES:
        text = describe(scene)
        assert stated(text) == places(scene)
        assert text.count(" at ") == len(scene.things)
        ends = [text.index(f"{thing.name} at {thing.place}") for thing in scene.things]
        assert ends == sorted(ends)


def test_captions_add_counts_and_relations_that_hold() -> None:
    rng = Random(2)
    extras = 0
    for scene in SCENES:
        text = caption(scene, rng)
        assert stated(text) == places(scene)
        _, _, extra = text.partition(". ")
        extras += bool(extra)
        if extra:
            assert sentence_holds(scene, extra.removesuffix("."))
    assert 0.4 < extras / len(SCENES) < 0.6


def sentence_holds(scene: Scene, sentence: str) -> bool:
    counted = re.fullmatch(r"(\d) (?:(\w+) )?(\w+)", sentence)
    if counted:
        number, colour, noun = counted.groups()
        things = [
            thing
            for thing in scene.things
            if colour in (None, thing.colour)
            and noun in ("shape", "shapes", thing.shape, plural(thing.shape))
        ]
        return len(things) == int(number) and (noun.endswith("s") and noun != "cross") == (
            len(things) > 1
        )
    first, word, second = re.split(r" (left of|above) ", sentence)
    (one,), (other,) = ([t for t in scene.things if t.name == name] for name in (first, second))
    return one.column < other.column if word == "left of" else one.row < other.row
