"""Several captioned images, or rows of instructions, in one training sequence. Pure.

A captioned image is the image's P positions, the caption and `END_OF_TEXT`. Samples are taken in
order and never split; attention stays inside a sample (`Row.documents`). As in OpenLM's shards, a
sequence of T positions has T + 1 ids: the last one is only a target.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.batch import IGNORE, Row
from models.data.captions import Captions
from models.data.tokenizer import IMAGE
from orchestrator.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One row of instructions as ids, with its image's positions."""

    ids: NDArray[np.int64]
    """What stands before the first turn, then the turns. At most T + 1, at least 2."""
    supervised: NDArray[np.bool_]
    """Which ids are predicted with loss; never the first."""
    images: NDArray[np.int64]
    """Indices of its images: none or one."""


def sequence_bounds(
    lengths: NDArray[np.int64], capacity: int, image_tokens: int = 0
) -> NDArray[np.int64]:
    """Cut samples into sequences, as many as fit in each: greedy, in the order given.

    Args:
        lengths: ids of each sample, (n,).
        capacity: ids that fit in a sequence, T + 1. A longer sample fills one alone and is cut.
        image_tokens: P, positions of an image, where `lengths` leaves them out.

    Returns:
        Bounds, (sequences + 1,): sequence s holds samples bounds[s] to bounds[s + 1] - 1.
    """
    ends = np.cumsum(np.minimum(lengths + image_tokens, capacity))  # (n,)
    bounds = [0]
    filled = 0
    while bounds[-1] < len(ends):
        stop = int(np.searchsorted(ends, filled + capacity, side="right"))
        bounds.append(stop)
        filled = int(ends[stop - 1])
    return np.array(bounds, dtype=np.int64)


def packed_row(
    captions: Captions, samples: NDArray[np.int64], seq_len: int, image_tokens: int
) -> Row:
    """Return the sequence of these samples, not yet padded.

    The last position of an image predicts the caption's first word; no image position is a target.
    """
    ids = np.full(seq_len + 1, IMAGE, dtype=np.int64)
    targets = np.full(seq_len + 1, IGNORE, dtype=np.int64)
    documents = np.zeros(seq_len + 1, dtype=np.int32)
    at = 0
    for document, sample in enumerate(samples):
        caption = captions.tokens(int(sample))[: seq_len + 1 - at - image_tokens]
        first = at + image_tokens
        end = first + len(caption)
        ids[first:end] = caption
        targets[first - 1 : end - 1] = caption
        documents[at:end] = document
        at = end
    n = min(at, seq_len)
    return Row(ids[:n], targets[:n], documents[:n], captions.images[samples])


def packed_examples(examples: Sequence[Example], seq_len: int) -> Row:
    """Return the sequence of these rows of instructions, not yet padded.

    No row predicts the beginning of the one behind it.
    """
    ids = np.concatenate([example.ids for example in examples])
    supervised = np.concatenate([example.supervised for example in examples])
    lengths = [len(example.ids) for example in examples]
    documents = np.repeat(np.arange(len(examples), dtype=np.int32), lengths)
    targets = np.append(np.where(supervised, ids, IGNORE)[1:], IGNORE)
    n = min(len(ids), seq_len)
    images = np.concatenate([example.images for example in examples])
    return Row(ids[:n], targets[:n], documents[:n], images)


def check_room(seq_len: int, image_tokens: int) -> None:
    """Refuse images that leave no position for text.

    Raises:
        ConfigError: naming both lengths.
    """
    if not 0 < image_tokens < seq_len:
        raise ConfigError(
            f"an image takes {image_tokens} positions of a sequence of {seq_len}",
            where="model.seq_len",
            mend="give images at least one position and sequences more than an image takes",
        )
