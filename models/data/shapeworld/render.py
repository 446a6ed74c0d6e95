"""Scenes as pixels: one cell of the grid is one patch of the image. Pure."""

import io
from dataclasses import dataclass
from functools import cache
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.data.shapeworld.config import GRID
from models.data.shapeworld.scene import Scene

_BACKGROUND = 40
"""Grey level behind the shapes, of 255."""
_NOISE = 12
"""Each value of each pixel is moved by up to this much, of 255."""
_PALETTE = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 230),
    "yellow": (225, 210, 50),
    "purple": (165, 60, 200),
    "white": (230, 230, 230),
}
_HUFFMAN_ONLY = 2
"""Strategy of zlib (Z_HUFFMAN_ONLY): faster, and noise has no repeats that others could find."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A drawn scene."""

    pixels: NDArray[np.uint8]
    """(H, W, 3), RGB."""
    boxes: tuple[tuple[int, int, int, int], ...]
    """Of each thing, in the scene's order: left, top, right, bottom in pixels; the last two lie
    just outside the shape."""


def render(scene: Scene, image_size: int, layout: Random, noise: np.random.Generator) -> Picture:
    """Draw a scene, each shape near the middle of its cell.

    Shapes are about two thirds of a cell wide and moved by up to a sixteenth of it, so that the
    box in the middle of a cell overlaps the true one by well above one half.
    """
    cell = image_size // GRID
    clean = np.full((image_size, image_size, 3), _BACKGROUND, dtype=np.int16)  # (H, W, 3)
    boxes: list[tuple[int, int, int, int]] = []
    for thing in scene.things:
        side = cell * 5 // 8 + layout.randrange(2)
        margin, jitter = (cell - side) // 2, cell // 16
        left = thing.column * cell + margin + layout.randint(-jitter, jitter)
        top = thing.row * cell + margin + layout.randint(-jitter, jitter)
        area = clean[top : top + side, left : left + side]  # (side, side, 3), a view
        area[_mask(thing.shape, side)] = _PALETTE[thing.colour]
        boxes.append((left, top, left + side, top + side))
    clean += noise.integers(-_NOISE, _NOISE, clean.shape, dtype=np.int16, endpoint=True)
    return Picture(np.clip(clean, 0, 255).astype(np.uint8), tuple(boxes))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="png", compress_type=_HUFFMAN_ONLY)
    return buffer.getvalue()


@cache
def _mask(shape: str, side: int) -> NDArray[np.bool_]:
    """Return which pixels of its box a shape covers, (side, side); it touches all four edges."""
    across = np.arange(side) - (side - 1) / 2  # distance from the middle, in pixels
    x, y = np.meshgrid(across, across)
    half = side / 2
    if shape == "circle":
        return x**2 + y**2 <= half**2
    if shape == "triangle":
        return np.abs(x) <= (y + half + 0.5) / 2
    if shape == "cross":
        return np.minimum(np.abs(x), np.abs(y)) <= side / 6
    return np.ones((side, side), dtype=bool)
