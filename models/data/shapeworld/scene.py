"""Scenes: coloured shapes on a grid, and which split of the world each belongs to. Pure."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import product
from random import Random

from models.data.shapeworld.config import GRID

SHAPES = ("circle", "square", "triangle", "cross")
COLOURS = ("red", "green", "blue", "yellow")
PLACES = (
    *("top left", "top", "top right"),
    *("left", "centre", "right"),
    *("bottom left", "bottom", "bottom right"),
)
"""Names of the cells, row by row."""

CLASSES = 1 + len(SHAPES) * len(COLOURS)
"""What a cell can hold: nothing (0), or a colour and a shape."""

_SIZES, _SIZE_WEIGHTS = (1, 2, 3, 4), (1, 2, 3, 3)
"""Shapes in a scene, and how often each number is drawn."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One shape in its cell."""

    cell: int
    """Row by row from the top left, in [0, 9)."""
    colour: str
    shape: str
    name: str
    """Colour and shape: `red circle`."""
    class_id: int
    """Colour and shape as a number in [1, CLASSES)."""

    @property
    def row(self) -> int:
        """0 at the top."""
        return self.cell // GRID

    @property
    def column(self) -> int:
        """0 at the left."""
        return self.cell % GRID

    @property
    def place(self) -> str:
        """Name of its cell."""
        return PLACES[self.cell]


THINGS = tuple(
    tuple(
        Thing(cell, colour, shape, f"{colour} {shape}", class_id)
        for class_id, (colour, shape) in enumerate(product(COLOURS, SHAPES), start=1)
    )
    for cell in range(GRID**2)
)
"""Everything that can stand in a cell, by cell and then by class_id - 1."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One to four things in different cells, in the order of their cells."""

    things: tuple[Thing, ...]

    @property
    def patches(self) -> list[int]:
        """Class of each cell, row by row; 0 where it is empty."""
        classes = [0] * GRID**2
        for thing in self.things:
            classes[thing.cell] = thing.class_id
        return classes

    def unique(self) -> list[Thing]:
        """Return the things whose name no other thing shares."""
        names = [thing.name for thing in self.things]
        return [thing for thing in self.things if names.count(thing.name) == 1]


class Split(Enum):
    """Disjoint parts of the space of scenes; the value is the share of scenes, in 64ths."""

    TRAIN = range(30)
    """Captions, and the scenes that the training text describes."""
    VAL = range(30, 34)
    """Held-out captions and text."""
    SCENES = range(34, 46)
    """Images that the vision tower is trained on."""
    INSTRUCTIONS = range(46, 57)
    """Images of the instructions."""
    TEST = range(57, 64)
    """Images and texts of the benchmarks."""


def split_of(scene: Scene) -> Split:
    """Return the split that a scene belongs to, the same for every seed and size of world.

    Splits share no scene because a scene alone decides it, so they can share no image either.
    """
    bucket = hashlib.blake2b(bytes(scene.patches), digest_size=1).digest()[0] % 64
    return next(split for split in Split if bucket in split.value)


def draw_scene(rng: Random) -> Scene:
    """Draw a scene of any split."""
    (size,) = rng.choices(_SIZES, _SIZE_WEIGHTS)
    cells = sorted(rng.sample(range(GRID**2), size))
    return Scene(tuple(rng.choice(THINGS[cell]) for cell in cells))


def draw_scenes(rng: Random, split: Split) -> Iterator[Scene]:
    """Draw scenes of one split, without end."""
    while True:
        scene = draw_scene(rng)
        if split_of(scene) is split:
            yield scene
