"""How surprising a caption is to a model that sees its image.

Shapes in comments: n captions of the part, B captions scored together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.architecture.vlm import VisionLanguageModel
from models.data.batch import collate
from models.data.captions import Captions
from models.data.packing import packed_row
from models.training.features import Features
from models.training.validation import per_sequence
from orchestrator.errors import ConfigError
from orchestrator.spec.execution import Execution
from orchestrator.spec.ratio import exact_ratio


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaptionScorer:
    """A trained model and the captions that it scores, each alone with its image in a sequence.

    Captions that do not fit are cut as in training. What else is in the batch changes a score by
    rounding alone, below 1e-4 nats per token in fp32: matrix products add up in another order.
    """

    model: VisionLanguageModel
    """In evaluation mode, on the device."""
    captions: Captions
    """Of the whole part."""
    features: Features
    """Of the captions' images."""
    seq_len: int
    """T: positions of the longest sequence."""
    image_tokens: int
    """P: positions of an image."""
    execution: Execution
    """Device and precision."""
    positions_at_once: int
    """Positions of one forward pass, where a caption takes fewer. At least 1."""

    def batches(self) -> Iterator[NDArray[np.int64]]:
        """Give the numbers of captions that are scored together, (B,); the longest come first."""
        lengths = np.minimum(self.captions.lengths + self.image_tokens, self.seq_len + 1)  # (n,)
        by_length = np.argsort(-lengths, kind="stable")
        start = 0
        while start < len(by_length):
            together = max(1, self.positions_at_once // int(lengths[by_length[start]]))
            yield by_length[start : start + together]
            start += together

    def score(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return each caption's summed loss in nats, and its scored ids, (B,) each.

        The `END_OF_TEXT` of a caption is one of its ids.
        """
        rows = [
            packed_row(self.captions, numbers[place : place + 1], self.seq_len, self.image_tokens)
            for place in range(len(numbers))
        ]
        batch = collate(rows, max(len(row.ids) for row in rows))
        return per_sequence(self.model, batch, self.features, self.execution)


def kept_count(n: int, keep: float) -> int:
    """Return how many of `n` captions are the share `keep`: rounded, halves to the even number.

    Raises:
        ConfigError: if that is none.
    """
    count = round(exact_ratio(keep) * n)
    if count == 0:
        raise ConfigError(
            f"keep is {keep}, which is none of {n} captions",
            where="keep",
            mend=f"keep at least one in {n}, or filter more captions",
        )
    return count


def least_surprising(nats: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """Mark the `count` captions of the lowest loss, (n,); of equal ones, the first."""
    kept = np.zeros(len(nats), dtype=bool)
    kept[np.argsort(nats, kind="stable")[:count]] = True
    return kept
