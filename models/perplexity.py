"""How surprising a caption is to a model that sees its image, or a document to one that reads it.

Shapes in comments: n items (captions, or windows of documents), B items scored together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.architecture.vlm import VisionLanguageModel
from models.data.batch import Row, collate
from models.data.captions import Captions
from models.data.packing import packed_row
from models.training.features import Features
from models.training.validation import per_sequence
from orchestrator.errors import ConfigError
from orchestrator.spec.execution import Execution
from orchestrator.spec.ratio import exact_ratio


class Items(Protocol):
    """What is scored, each alone in a sequence: captions, or windows of documents."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,). Ids of each, its image's positions among them. At most T + 1."""
        ...

    def row(self, number: int) -> Row:
        """Return one of them as a sequence."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaptionItems:
    """Captions, each with its image. Those that do not fit are cut as in training."""

    captions: Captions
    """Of the whole part."""
    seq_len: int
    """T: positions of the longest sequence."""
    image_tokens: int
    """P: positions of an image."""

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,). Ids of each."""
        return np.minimum(self.captions.lengths + self.image_tokens, self.seq_len + 1)

    def row(self, number: int) -> Row:
        """Return a caption with its image."""
        return packed_row(self.captions, np.array([number]), self.seq_len, self.image_tokens)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scorer:
    """A trained model and what it scores.

    What else is in the batch changes a score by rounding alone, below 1e-4 nats per token in fp32:
    matrix products add up in another order.
    """

    model: VisionLanguageModel
    """In evaluation mode, on the device."""
    items: Items
    """What is scored."""
    features: Features | None
    """Of the images in them; None where there are none."""
    execution: Execution
    """Device and precision."""
    positions_at_once: int
    """Positions of one forward pass, where an item takes fewer. At least 1."""

    def batches(self) -> Iterator[NDArray[np.int64]]:
        """Give the numbers of items that are scored together, (B,); the longest come first."""
        lengths = self.items.lengths  # (n,)
        by_length = np.argsort(-lengths, kind="stable")
        start = 0
        while start < len(by_length):
            together = max(1, self.positions_at_once // int(lengths[by_length[start]]))
            yield by_length[start : start + together]
            start += together

    def score(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return each item's summed loss in nats, and its scored ids, (B,) each.

        An `END_OF_TEXT` at its end is one of its ids.
        """
        rows = [self.items.row(number) for number in numbers.tolist()]
        batch = collate(rows, max(len(row.ids) for row in rows))
        return per_sequence(self.model, batch, self.features, self.execution)


def kept_count(n: int, keep: float, what: str) -> int:
    """Return how many of `n` items are the share `keep`: rounded, halves to the even number.

    Raises:
        ConfigError: if that is none.
    """
    count = round(exact_ratio(keep) * n)
    if count == 0:
        raise ConfigError(
            f"keep is {keep}, which is none of {n} {what}",
            where="keep",
            mend=f"keep at least one in {n}, or filter more {what}",
        )
    return count


def least_surprising(nats: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """Mark the `count` items of the lowest loss, (n,); of equal ones, the first."""
    kept = np.zeros(len(nats), dtype=bool)
    kept[np.argsort(nats, kind="stable")[:count]] = True
    return kept
