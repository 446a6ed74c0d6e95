"""The order of packed sequences: as many samples in each as fit, over endless passes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.data.batch import Row
from models.data.captions import Captions
from models.data.instructions import Instructions
from models.data.mixture import EPOCHS_KEPT, order, subset_name
from models.data.packing import packed_examples, packed_row, sequence_bounds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """What is packed. n samples."""

    name: str
    """Seeds the order, beside the seed."""
    numbers: NDArray[np.int64]
    """The samples by their number in the part, (n,)."""
    lengths: NDArray[np.int64]
    """Ids of each, its image's positions among them, (n,)."""
    images: NDArray[np.int64]
    """Images of each, (n,)."""
    row: Callable[[NDArray[np.int64]], Row]
    """Packs the samples of these numbers into one sequence."""


class PackedOrder:
    """Packed samples in the order of endless, freshly shuffled passes.

    Each pass packs anew, so passes differ a little in their number of sequences. The order is a
    function of the samples and the seed alone.
    """

    def __init__(self, samples: Samples, *, seq_len: int, seed: int) -> None:
        self._samples, self._seq_len, self._seed = samples, seq_len, seed
        self._firsts = [0]  # number of each pass's first sequence, as far as it is known
        self._pass = lru_cache(EPOCHS_KEPT)(self._pack)

    def row(self, number: int) -> Row:
        """Return the packed sequence at `number`, counted over all passes."""
        epoch, position = self._locate(number)
        places, bounds = self._pass(epoch)
        chosen = places[bounds[position] : bounds[position + 1]]
        return self._samples.row(self._samples.numbers[chosen])

    def images_before(self, number: int) -> int:
        """Count the images in the first `number` packed sequences."""
        epoch, position = self._locate(number)
        places, bounds = self._pass(epoch)
        images = self._samples.images
        return epoch * int(images.sum()) + int(images[places[: bounds[position]]].sum())

    def epochs_before(self, number: int) -> float:
        """Return the passes that the first `number` packed sequences make."""
        epoch, position = self._locate(number)
        n = len(self._samples.numbers)
        return (epoch * n + int(self._pass(epoch)[1][position])) / n

    def _locate(self, number: int) -> tuple[int, int]:
        while self._firsts[-1] <= number:
            bounds = self._pass(len(self._firsts) - 1)[1]
            self._firsts.append(self._firsts[-1] + len(bounds) - 1)
        epoch = int(np.searchsorted(self._firsts, number, side="right")) - 1
        return epoch, number - self._firsts[epoch]

    def _pack(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the places of one pass's samples in their order, and where sequences begin."""
        places = order(len(self._samples.numbers), self._seed, epoch, self._samples.name)
        return places, sequence_bounds(self._samples.lengths[places], self._seq_len + 1)


def caption_samples(
    captions: Captions,
    name: str,
    *,
    seq_len: int,
    image_tokens: int,
    kept: NDArray[np.int64] | None = None,
) -> Samples:
    """Return captioned images as samples.

    Args:
        captions: of the whole part.
        name: of the part, which seeds the order.
        seq_len: T, positions of a sequence.
        image_tokens: P, positions of an image.
        kept: numbers of the captions to read, ascending; None for all. Their order has a seed of
            its own, and the same one for the same numbers.
    """
    everything = np.arange(len(captions), dtype=np.int64)
    numbers = everything if kept is None else kept

    def row(chosen: NDArray[np.int64]) -> Row:
        return packed_row(captions, chosen, seq_len, image_tokens)

    return Samples(
        name=name if kept is None else subset_name(name, kept),
        numbers=numbers,
        lengths=captions.lengths[numbers] + image_tokens,
        images=np.ones(len(numbers), dtype=np.int64),
        row=row,
    )


def instruction_samples(instructions: Instructions, name: str, *, first_image: int) -> Samples:
    """Return rows of instructions as samples.

    Args:
        instructions: of the whole part.
        name: of the part, which seeds the order.
        first_image: index that image 0 of the part has in batches.
    """

    def row(chosen: NDArray[np.int64]) -> Row:
        examples = [instructions.example(int(number)) for number in chosen]
        packed = packed_examples(examples, instructions.seq_len)
        return Row(packed.ids, packed.targets, packed.documents, packed.images + first_image)

    return Samples(
        name=name,
        numbers=np.arange(len(instructions), dtype=np.int64),
        lengths=instructions.lengths,
        images=instructions.has_image.astype(np.int64),
        row=row,
    )
