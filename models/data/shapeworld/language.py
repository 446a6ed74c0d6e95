"""What can be said about a scene: captions and descriptions. Pure."""

from random import Random

from models.data.shapeworld.scene import THINGS, Scene, Thing

_EXTRA = 0.5
"""Share of captions with a sentence beyond the list of things."""


def describe(scene: Scene) -> str:
    """Say what stands where: everything, as one reads, so that the image determines the words."""
    return ", ".join(f"{thing.name} at {thing.place}" for thing in scene.things) + "."


def caption(scene: Scene, rng: Random) -> str:
    """Describe a scene, often with a count or a relation."""
    sentences = [describe(scene)]
    if rng.random() < _EXTRA:
        pair = related_pair(scene, rng)
        sentences.append(relation(*pair) if pair and rng.random() < 0.5 else counted(scene, rng))
    return " ".join(sentences)


def counted(scene: Scene, rng: Random) -> str:
    """Say how many things of one kind there are, one at least."""
    noun, test = draw_kind(rng.choice(scene.things), rng)
    count = matching(scene, test)
    return f"1 {noun}." if count == 1 else f"{count} {plural(noun)}."


def related_pair(scene: Scene, rng: Random) -> tuple[Thing, Thing, str] | None:
    """Draw two things with names of their own and a relation that holds, if there is one."""
    named = scene.unique()
    pairs = [
        (first, second, word)
        for first in named
        for second in named
        for word in ("left of", "above")
        if holds(first, second, word)
    ]
    return rng.choice(pairs) if pairs else None


def relation(first: Thing, second: Thing, word: str) -> str:
    """Say how two things stand to each other."""
    return f"{first.name} {word} {second.name}."


def holds(first: Thing, second: Thing, word: str) -> bool:
    """Return whether `first` stands so to `second`: `left of` by columns, `above` by rows."""
    if word == "left of":
        return first.column < second.column
    return first.row < second.row


Kind = tuple[str | None, str | None]
"""A colour and a shape that a thing must have; None for any."""


def draw_kind(thing: Thing, rng: Random) -> tuple[str, Kind]:
    """Draw a kind that `thing` is of, with its noun: shape, circle, red shape or red circle."""
    colour = thing.colour if rng.random() < 0.5 else None
    shape = thing.shape if rng.random() < 0.7 else None
    return noun_of((colour, shape)), (colour, shape)


def noun_of(kind: Kind) -> str:
    """Name a kind."""
    colour, shape = kind
    return f"{colour} {shape or 'shape'}" if colour else shape or "shape"


def matching(scene: Scene, kind: Kind) -> int:
    """Count the things of a kind."""
    colour, shape = kind
    hits = [
        thing
        for thing in scene.things
        if colour in (None, thing.colour) and shape in (None, thing.shape)
    ]
    return len(hits)


def plural(noun: str) -> str:
    """Name several of a kind."""
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def absent_names(scene: Scene) -> list[str]:
    """Return the names that no thing has."""
    present = {thing.name for thing in scene.things}
    return [thing.name for thing in THINGS[0] if thing.name not in present]


def confusable(scene: Scene, names: list[str]) -> list[str]:
    """Return the names made of a colour and a shape that the scene has, though not together.

    Where there is none (a single thing), those that share one of the two.
    """
    colours = {thing.colour for thing in scene.things}
    shapes = {thing.shape for thing in scene.things}
    split = [name.split(" ") for name in names]
    both = [f"{colour} {shape}" for colour, shape in split if colour in colours and shape in shapes]
    either = [
        f"{colour} {shape}" for colour, shape in split if colour in colours or shape in shapes
    ]
    return both or either
