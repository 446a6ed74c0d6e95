"""What a model is trained on in one step: ids, targets and images, as NumPy arrays.

Shapes in comments: B sequences, T positions, M images in the whole batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.tokenizer import PADDING

IGNORE = -100
"""Target of a position without loss; PyTorch's default `ignore_index`."""
NO_DOCUMENT = -1
"""Document of a padding position."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One sequence before it is padded. All arrays have the same length, at most T."""

    ids: NDArray[np.int64]
    """Input ids; an image is a run of `IMAGE`."""
    targets: NDArray[np.int64]
    """The next token, or `IGNORE`."""
    documents: NDArray[np.int32]
    """Which document a position belongs to, from 0."""
    images: NDArray[np.int64]
    """Indices of its images, in order."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Padded sequences and the images in them."""

    ids: NDArray[np.int64]
    """(B, T). Each image takes its P positions as `IMAGE`; padding is `PADDING`."""
    targets: NDArray[np.int64]
    """(B, T). The token after each position, or `IGNORE` where there is no loss."""
    documents: NDArray[np.int32]
    """(B, T). Attention stays inside equal numbers; padding has `NO_DOCUMENT`."""
    images: NDArray[np.int64]
    """(M,). Indices into one `ImageSource`, row by row in order of appearance."""

    @property
    def supervised(self) -> int:
        """Positions with loss."""
        return int(np.count_nonzero(self.targets != IGNORE))


def collate(rows: Sequence[Row], length: int) -> Batch:
    """Pad rows on the right to `length` positions and stack them."""
    ids = np.full((len(rows), length), PADDING, dtype=np.int64)
    targets = np.full((len(rows), length), IGNORE, dtype=np.int64)
    documents = np.full((len(rows), length), NO_DOCUMENT, dtype=np.int32)
    for number, row in enumerate(rows):
        n = len(row.ids)
        ids[number, :n] = row.ids
        targets[number, :n] = row.targets
        documents[number, :n] = row.documents
    images = [row.images for row in rows]
    return Batch(ids, targets, documents, np.concatenate([np.empty(0, np.int64), *images]))
