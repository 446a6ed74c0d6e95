"""Pixels: each shape is in its cell, in its colour, inside its box."""

import io
from itertools import product
from random import Random

import numpy as np
import pytest
from PIL import Image

from models.data.shapeworld.render import png, render
from models.data.shapeworld.scene import SHAPES, THINGS, Scene, draw_scene

Box = tuple[float, ...]


def iou(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    both = max(width, 0) * max(height, 0)
    return both / (sum(areas) - both)


def seen_box(pixels: np.ndarray) -> Box:
    """The box of everything that is not background; the noise stays far below the shapes."""
    rows, columns = np.nonzero(pixels.max(axis=2) > 90)
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@pytest.mark.parametrize("image_size", [36, 48, 96])
def test_each_shape_fills_its_box_and_stays_in_its_cell(image_size: int) -> None:
    layout, noise, cell = Random(0), np.random.default_rng(0), image_size // 3
    for thing in (thing for things in THINGS for thing in things):
        picture = render(Scene((thing,)), image_size, layout, noise)
        (box,) = picture.boxes
        assert seen_box(picture.pixels) == box
        assert thing.column * cell <= box[0] < box[2] <= (thing.column + 1) * cell
        assert thing.row * cell <= box[1] < box[3] <= (thing.row + 1) * cell


def test_a_box_in_the_middle_of_the_cell_overlaps_the_true_one_by_more_than_half() -> None:
    layout, noise = Random(0), np.random.default_rng(0)
    found: set[tuple[Box, int]] = set()
    for _ in range(300):
        scene = draw_scene(layout)
        picture = render(scene, 48, layout, noise)
        found |= {(b, t.cell) for b, t in zip(picture.boxes, scene.things, strict=True)}
    assert len(found) > 100
    for box, cell in found:
        row, column = divmod(cell, 3)
        middle = (16 * column + 3, 16 * row + 3, 16 * column + 13, 16 * row + 13)
        written = tuple(round(value / 48, 2) * 48 for value in box)  # as benchmarks give it
        assert iou(written, middle) > 0.5


def test_shapes_can_be_told_apart_and_keep_their_colour() -> None:
    noise = np.random.default_rng(0)
    things = [thing for thing in THINGS[4] if thing.colour == "red"]
    shapes = [render(Scene((thing,)), 48, Random(1), noise).pixels for thing in things]
    masks = [pixels[..., 0] > 150 for pixels in shapes]
    for one, other in product(range(len(SHAPES)), repeat=2):
        if one != other:
            assert (masks[one] != masks[other]).sum() > 15  # pixels of about 100
    for pixels, mask in zip(shapes, masks, strict=True):
        assert pixels[mask][:, 1:].max() < 60


def test_a_png_gives_the_same_pixels_back() -> None:
    picture = render(draw_scene(Random(3)), 48, Random(0), np.random.default_rng(0))
    assert (np.asarray(Image.open(io.BytesIO(png(picture.pixels)))) == picture.pixels).all()
