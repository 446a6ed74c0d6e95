"""Several captioned images in one training sequence. Pure.

A sample is the image's P positions, the caption and `END_OF_TEXT`. Samples are taken in order and
never split; attention stays inside a sample (`Row.documents`). As in OpenLM's shards, a sequence of
T positions has T + 1 ids: the last one is only a target.
"""

import numpy as np
from numpy.typing import NDArray

from models.data.batch import IGNORE, Row
from models.data.captions import Captions
from models.data.tokenizer import IMAGE


def sequence_bounds(
    lengths: NDArray[np.int64], capacity: int, image_tokens: int
) -> NDArray[np.int64]:
    """Cut samples into sequences, as many as fit in each: greedy, in the order given.

    Args:
        lengths: ids of each sample's caption, (n,).
        capacity: ids that fit in a sequence, T + 1. A longer sample fills one alone and is cut.
        image_tokens: P, positions of an image.

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
    return Row(ids[:n], targets[:n], documents[:n], samples)
