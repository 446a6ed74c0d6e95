"""Rows of different lengths become one padded batch."""

import numpy as np

from models.data.batch import IGNORE, NO_DOCUMENT, Row, collate
from models.data.tokenizer import PADDING


def row(length: int, images: list[int]) -> Row:
    ids = np.arange(10, 10 + length)
    return Row(ids, ids + 1, np.zeros(length, np.int32), np.array(images, np.int64))


def test_padding_carries_no_loss_and_belongs_to_no_document() -> None:
    batch = collate([row(3, []), row(1, [])], 4)
    assert batch.ids.tolist() == [[10, 11, 12, PADDING], [10, PADDING, PADDING, PADDING]]
    assert batch.targets.tolist() == [[11, 12, 13, IGNORE], [11, IGNORE, IGNORE, IGNORE]]
    assert batch.documents.tolist() == [[0, 0, 0, NO_DOCUMENT], [0] + [NO_DOCUMENT] * 3]
    assert batch.supervised == 4
    assert (batch.ids.dtype, batch.documents.dtype) == (np.int64, np.int32)


def test_images_are_listed_row_by_row() -> None:
    batch = collate([row(2, [7, 3]), row(2, []), row(2, [5])], 2)
    assert batch.images.tolist() == [7, 3, 5]
    assert collate([row(2, [])], 2).images.shape == (0,)
