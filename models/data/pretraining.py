"""Pre-training batches: sequences of text and of captioned images, in one exact global order.

Sequence i of a run is a pure function of the data, the seed, the ratio and i. Any job can go on at
any index and gets the same sequences, whatever came before and however they are batched.
"""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.batch import Batch, Row, collate
from models.data.captions import open_captions
from models.data.mixture import EPOCHS_KEPT, images_before, is_image, order, remembered_order
from models.data.packing import packed_row, sequence_bounds
from models.data.shards import open_token_shards
from orchestrator.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a range of sequences is made of, and how far it gets in its sources."""

    text_sequences: int
    """Sequences of text."""
    image_sequences: int
    """Sequences of captioned images."""
    images: int
    """Captioned images in them."""
    text_epochs: float
    """Passes over the text done at the end of the range, the trunk's reading included."""
    caption_epochs: float
    """Passes over the captions done at the end of the range."""


class TextOrder:
    """Text sequences in the order of endless, freshly shuffled passes."""

    def __init__(self, folder: Path, *, seq_len: int, seed: int) -> None:
        self._sequences = open_token_shards(folder, seq_len)
        self._order = remembered_order(len(self._sequences), seed, source_name(folder))

    def __len__(self) -> int:
        """Return the sequences of one pass."""
        return len(self._sequences)

    def row(self, number: int) -> Row:
        """Return the text sequence at `number`, counted over all passes."""
        epoch, position = divmod(number, len(self))
        return text_row(self._sequences[self._order(epoch)[position]])


class CaptionOrder:
    """Packed captioned images in the order of endless, freshly shuffled passes.

    Each pass packs anew, so passes differ a little in their number of sequences.
    """

    def __init__(self, folder: Path, *, seq_len: int, image_tokens: int, seed: int) -> None:
        self._captions = open_captions(folder)
        self._name = source_name(folder)
        self._seq_len, self._image_tokens, self._seed = seq_len, image_tokens, seed
        self._firsts = [0]  # number of each pass's first sequence, as far as it is known
        self._pass = lru_cache(EPOCHS_KEPT)(self._pack)

    @property
    def images(self) -> int:
        """Captioned images of one pass."""
        return len(self._captions)

    def row(self, number: int) -> Row:
        """Return the packed sequence at `number`, counted over all passes."""
        epoch, position = self._locate(number)
        samples, bounds = self._pass(epoch)
        chosen = samples[bounds[position] : bounds[position + 1]]
        return packed_row(self._captions, chosen, self._seq_len, self._image_tokens)

    def images_before(self, number: int) -> int:
        """Count the images in the first `number` packed sequences."""
        epoch, position = self._locate(number)
        return epoch * len(self._captions) + int(self._pass(epoch)[1][position])

    def _locate(self, number: int) -> tuple[int, int]:
        while self._firsts[-1] <= number:
            bounds = self._pass(len(self._firsts) - 1)[1]
            self._firsts.append(self._firsts[-1] + len(bounds) - 1)
        epoch = int(np.searchsorted(self._firsts, number, side="right")) - 1
        return epoch, number - self._firsts[epoch]

    def _pack(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        samples = order(len(self._captions), self._seed, epoch, self._name)
        lengths = self._captions.lengths[samples]
        return samples, sequence_bounds(lengths, self._seq_len + 1, self._image_tokens)


@dataclass(frozen=True)
class PretrainingData:
    """The sequences of one pre-training run.

    Raises:
        ConfigError: if a source that the ratio asks for is not given, or an image does not fit.
        DataError: if a part is missing or damaged.
    """

    text: Path | None
    """Part of token shards; not opened where the ratio is 1."""
    captions: Path | None
    """Part of captioned images; not opened where the ratio is 0."""
    _: KW_ONLY
    seq_len: int
    """T: positions of a sequence."""
    image_tokens: int = 0
    """P: positions of an image; below T."""
    image_ratio: float = 0.0
    """Share of the sequences that are of captioned images, in [0, 1]."""
    seed: int
    """Seeds the order of both sources."""
    text_start_sequences: int = 0
    """Text sequences that the trunk has read under this seed."""

    def __post_init__(self) -> None:
        if self.image_ratio < 1:
            _ = self._texts
        if self.image_ratio > 0:
            _ = self._packed

    @cached_property
    def _texts(self) -> TextOrder:
        if self.text is None:
            raise _no_source("text", self.image_ratio)
        return TextOrder(self.text, seq_len=self.seq_len, seed=self.seed)

    @cached_property
    def _packed(self) -> CaptionOrder:
        if self.captions is None:
            raise _no_source("captions", self.image_ratio)
        check_room(self.seq_len, self.image_tokens)
        return CaptionOrder(
            self.captions, seq_len=self.seq_len, image_tokens=self.image_tokens, seed=self.seed
        )

    def batch(self, first_sequence: int, sequences: int) -> Batch:
        """Return the sequences from `first_sequence` on, (B, T)."""
        numbers = range(first_sequence, first_sequence + sequences)
        return collate([self._row(number) for number in numbers], self.seq_len)

    def counts(self, first_sequence: int, sequences: int) -> Counts:
        """Return what the sequences from `first_sequence` on are made of."""
        end = first_sequence + sequences
        first_image = images_before(first_sequence, self.image_ratio)
        end_image = images_before(end, self.image_ratio)
        text_end = self.text_start_sequences + end - end_image
        packed = self._packed if self.image_ratio > 0 else None
        images = packed.images_before(end_image) if packed else 0
        return Counts(
            text_sequences=sequences - (end_image - first_image),
            image_sequences=end_image - first_image,
            images=images - packed.images_before(first_image) if packed else 0,
            text_epochs=text_end / len(self._texts) if self.image_ratio < 1 else 0.0,
            caption_epochs=images / packed.images if packed else 0.0,
        )

    def _row(self, number: int) -> Row:
        before = images_before(number, self.image_ratio)
        if is_image(number, self.image_ratio):
            return self._packed.row(before)
        return self._texts.row(self.text_start_sequences + number - before)


def text_row(sequence: NDArray[np.integer[Any]]) -> Row:
    """Return a text sequence of T + 1 ids as a row: one document, as OpenLM trains on it."""
    ids = np.asarray(sequence, dtype=np.int64)
    no_images = np.empty(0, dtype=np.int64)
    return Row(ids[:-1], ids[1:], np.zeros(len(ids) - 1, dtype=np.int32), no_images)


def source_name(folder: Path) -> str:
    """Return what an order is seeded with beside the seed: collection, version and part."""
    return f"{folder.parent.name}/{folder.name}"


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


def _no_source(name: str, ratio: float) -> ConfigError:
    return ConfigError(
        f"image_ratio is {ratio}, but there are no {name}",
        where=name,
        mend="name the data set, or set image_ratio to 0 (text alone) or 1 (captions alone)",
    )
