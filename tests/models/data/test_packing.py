"""Captioned images packed into sequences."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.batch import IGNORE
from models.data.captions import Captions
from models.data.packing import Example, packed_examples, packed_row, sequence_bounds
from models.data.tokenizer import END_OF_TEXT, IMAGE

P = 2


def captions(*texts: list[int]) -> Captions:
    flat = [token for text in texts for token in (*text, END_OF_TEXT)]
    starts = np.cumsum([0, *(len(text) + 1 for text in texts)])
    n = len(starts) - 1
    return Captions(np.array(flat, np.uint16), starts, images=np.arange(n), all_images=n)


def greedy(lengths: list[int], capacity: int) -> list[int]:
    """The obvious way: put each sample where the one before it went, if there is room."""
    bounds, room = [0], capacity
    for number, length in enumerate(lengths):
        size = min(length + P, capacity)
        if size > room:
            bounds.append(number)
            room = capacity
        room -= size
    return [*bounds, len(lengths)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(3, 40))
def test_samples_are_packed_greedily_in_order(lengths: list[int], capacity: int) -> None:
    found = sequence_bounds(np.array(lengths), capacity, P)
    assert found.tolist() == greedy(lengths, capacity)


def test_a_row_holds_images_then_captions_and_no_image_is_a_target() -> None:
    row = packed_row(captions([10, 11], [20]), np.array([1, 0]), 12, P)
    assert row.ids.tolist() == [IMAGE, IMAGE, 20, END_OF_TEXT, IMAGE, IMAGE, 10, 11, END_OF_TEXT]
    expected = [IGNORE, 20, END_OF_TEXT, IGNORE, IGNORE, 10, 11, END_OF_TEXT, IGNORE]
    assert row.targets.tolist() == expected
    assert row.documents.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert row.images.tolist() == [1, 0]


def test_a_full_row_keeps_its_last_target() -> None:
    row = packed_row(captions([10, 11], [20]), np.array([1, 0]), 8, P)
    assert row.ids.tolist() == [IMAGE, IMAGE, 20, END_OF_TEXT, IMAGE, IMAGE, 10, 11]
    assert row.targets.tolist()[-1] == END_OF_TEXT


def test_a_caption_too_long_for_a_sequence_is_cut_and_not_ended() -> None:
    row = packed_row(captions([10, 11, 12, 13]), np.array([0]), 4, P)
    assert row.ids.tolist() == [IMAGE, IMAGE, 10, 11]
    assert row.targets.tolist() == [IGNORE, 10, 11, 12]


def example(ids: list[int], supervised: list[bool], *images: int) -> Example:
    return Example(np.array(ids), np.array(supervised), np.array(images, dtype=np.int64))


PICTURE = example([IMAGE, IMAGE, 10, 20, 0], [False, False, False, True, True], 7)
SPOKEN = example([0, 11, 21, 0], [False, False, True, True])


def test_packed_instructions_predict_answers_and_never_the_next_row() -> None:
    row = packed_examples([PICTURE, SPOKEN], 12)
    assert row.ids.tolist() == [IMAGE, IMAGE, 10, 20, 0, 0, 11, 21, 0]
    assert row.targets.tolist() == [IGNORE, IGNORE, 20, 0, IGNORE, IGNORE, 21, 0, IGNORE]
    assert row.documents.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert row.images.tolist() == [7]


def test_a_full_row_of_instructions_keeps_its_last_target() -> None:
    row = packed_examples([PICTURE, SPOKEN], 8)
    assert row.ids.tolist() == [IMAGE, IMAGE, 10, 20, 0, 0, 11, 21]
    assert row.targets.tolist()[-1] == END_OF_TEXT
