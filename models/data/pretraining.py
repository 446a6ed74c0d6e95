"""Pre-training batches: sequences of text, captioned images and instructions, in one exact order.

Sequence i of a run is a pure function of the data, the seed, the ratios and i. Any job can go on at
any index and gets the same sequences, whatever came before and however they are batched.
"""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.batch import Batch, Row, collate
from models.data.captions import Captions, open_captions
from models.data.fitness import check_tokenizers
from models.data.instructions import Instructions
from models.data.kept import Kept
from models.data.mixture import Kind, Mixture, remembered_order, source_name
from models.data.packed import PackedOrder, caption_samples, instruction_samples
from models.data.packing import check_room
from models.data.shards import open_token_shards
from orchestrator.errors import ConfigError, DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a range of sequences is made of, and how far it gets in its sources."""

    text_sequences: int
    """Sequences of text."""
    image_sequences: int
    """Sequences of captioned images or instructions."""
    images: int
    """Images in them."""
    text_epochs: float
    """Passes over the text done at the end of the range, the trunk's reading included."""
    caption_epochs: float
    """Passes over the captions done at the end of the range; of those kept, where some are."""
    instruction_sequences: int = 0
    """Those of `image_sequences` that are of instructions."""
    instruction_epochs: float = 0.0
    """Passes over the instructions done at the end of the range."""


class TextOrder:
    """Text sequences in the order of endless, freshly shuffled passes."""

    def __init__(
        self, folder: Path, *, seq_len: int, seed: int, vocab_size: int | None = None
    ) -> None:
        self._sequences = open_token_shards(folder, seq_len, vocab_size)
        self._order = remembered_order(len(self._sequences), seed, source_name(folder))

    def __len__(self) -> int:
        """Return the sequences of one pass."""
        return len(self._sequences)

    def row(self, number: int) -> Row:
        """Return the text sequence at `number`, counted over all passes."""
        epoch, position = divmod(number, len(self))
        return text_row(self._sequences[self._order(epoch)[position]])


@dataclass(frozen=True, eq=False)
class PretrainingData:
    """The sequences of one pre-training run.

    Raises:
        ConfigError: if a source that the ratios ask for is not given, or an image does not fit.
        DataError: if a part is missing or damaged, has ids beyond the vocabulary, or was made with
            another tokenizer than the others.
    """

    text: Path | None
    """Part of token shards; not opened where `image_ratio` is 1."""
    captions: Path | None
    """Part of captioned images; opened where the ratios ask for some."""
    instructions: Path | None = None
    """Part of instructions; opened where the ratios ask for some."""
    _: KW_ONLY
    seq_len: int
    """T: positions of a sequence."""
    vocab_size: int | None = None
    """Ids that the model has; None for a model that is not known."""
    image_tokens: int = 0
    """P: positions of an image; below T."""
    image_ratio: float = 0.0
    """Share of the sequences that are of captioned images or instructions, in [0, 1]."""
    instruction_ratio: float = 0.0
    """Share of those that are of instructions, in [0, 1]."""
    seed: int
    """Seeds the order of all sources."""
    text_seed: int | None = None
    """Seeds the order of text instead; None for `seed`."""
    text_start_sequences: int = 0
    """Text sequences that the trunk has read in this order."""
    kept: Kept | None = None
    """The captions that are read; None for all."""

    def __post_init__(self) -> None:
        check_tokenizers(
            {
                kind: folder
                for kind, folder in (
                    (Kind.TEXT, self.text),
                    (Kind.CAPTIONS, self.captions),
                    (Kind.INSTRUCTIONS, self.instructions),
                )
                if folder is not None and self.mixture.uses(kind)
            }
        )
        if self.mixture.uses(Kind.TEXT):
            _ = self._texts
        if self.mixture.uses(Kind.CAPTIONS):
            _ = self._packed
        if self.mixture.uses(Kind.INSTRUCTIONS):
            _ = self._packed_rows

    @cached_property
    def mixture(self) -> Mixture:
        """Which kind of sequence comes at each index."""
        return Mixture(image_ratio=self.image_ratio, instruction_ratio=self.instruction_ratio)

    @property
    def caption_images(self) -> int:
        """Images of the captions' part; in batches, those of instructions are counted on from it.

        0 where no caption is read.
        """
        return self._captions.all_images if self.mixture.uses(Kind.CAPTIONS) else 0

    @property
    def skipped_samples(self) -> int:
        """Captioned images and rows of instructions that are left out, since they are bad."""
        captions = len(self._captions.bad) if self.mixture.uses(Kind.CAPTIONS) else 0
        return captions + (len(self._rows.bad) if self.mixture.uses(Kind.INSTRUCTIONS) else 0)

    @property
    def truncated_captions(self) -> int:
        """Captions that lose positions at their end, since they do not fit beside their image."""
        if not self.mixture.uses(Kind.CAPTIONS):
            return 0
        lengths = self._captions.lengths + self.image_tokens
        return int(np.count_nonzero(lengths > self.seq_len + 1))

    @property
    def truncated_rows(self) -> int:
        """Rows of instructions that lose positions at their end."""
        return self._rows.truncated if self.mixture.uses(Kind.INSTRUCTIONS) else 0

    def batch(self, first_sequence: int, sequences: int) -> Batch:
        """Return the sequences from `first_sequence` on, (B, T).

        `Batch.images` counts the captions' images first, then the instructions'.
        """
        numbers = range(first_sequence, first_sequence + sequences)
        return collate([self._row(number) for number in numbers], self.seq_len)

    def counts(self, first_sequence: int, sequences: int) -> Counts:
        """Return what the sequences from `first_sequence` on are made of."""
        first = self.mixture.before(first_sequence)
        end = self.mixture.before(first_sequence + sequences)
        own = {kind: end[kind] - first[kind] for kind in Kind}
        text_end = self.text_start_sequences + end[Kind.TEXT]
        images, epochs = 0, {Kind.CAPTIONS: 0.0, Kind.INSTRUCTIONS: 0.0}
        for kind, packed in self._packed_orders().items():
            images += packed.images_before(end[kind]) - packed.images_before(first[kind])
            epochs[kind] = packed.epochs_before(end[kind])
        return Counts(
            text_sequences=own[Kind.TEXT],
            image_sequences=own[Kind.CAPTIONS] + own[Kind.INSTRUCTIONS],
            images=images,
            text_epochs=text_end / len(self._texts) if self.mixture.uses(Kind.TEXT) else 0.0,
            caption_epochs=epochs[Kind.CAPTIONS],
            instruction_sequences=own[Kind.INSTRUCTIONS],
            instruction_epochs=epochs[Kind.INSTRUCTIONS],
        )

    def _row(self, index: int) -> Row:
        kind, number = self.mixture.at(index)
        if kind is Kind.TEXT:
            return self._texts.row(self.text_start_sequences + number)
        return (self._packed if kind is Kind.CAPTIONS else self._packed_rows).row(number)

    def _packed_orders(self) -> dict[Kind, PackedOrder]:
        orders: dict[Kind, PackedOrder] = {}
        if self.mixture.uses(Kind.CAPTIONS):
            orders[Kind.CAPTIONS] = self._packed
        if self.mixture.uses(Kind.INSTRUCTIONS):
            orders[Kind.INSTRUCTIONS] = self._packed_rows
        return orders

    @cached_property
    def _texts(self) -> TextOrder:
        folder = self._given("text", self.text)
        seed = self.seed if self.text_seed is None else self.text_seed
        return TextOrder(folder, seq_len=self.seq_len, seed=seed, vocab_size=self.vocab_size)

    @cached_property
    def _captions(self) -> Captions:
        return open_captions(self._given("captions", self.captions), self.vocab_size)

    @cached_property
    def _packed(self) -> PackedOrder:
        folder = self._given("captions", self.captions)
        check_room(self.seq_len, self.image_tokens)
        samples = caption_samples(
            self._captions,
            source_name(folder),
            seq_len=self.seq_len,
            image_tokens=self.image_tokens,
            kept=self._numbers(folder),
        )
        return PackedOrder(samples, seq_len=self.seq_len, seed=self.seed)

    def _numbers(self, folder: Path) -> NDArray[np.int64] | None:
        """Return the numbers of the captions that are read; None for all."""
        if self.kept is None:
            return None
        if self.kept.of != len(self._captions):
            raise DataError(
                f"there are {len(self._captions)} captions, but the filter has scored "
                f"{self.kept.of}",
                where=str(folder),
                mend="restore the data that were filtered, or filter these",
            )
        return self.kept.numbers

    @cached_property
    def _rows(self) -> Instructions:
        folder = self._given("instructions", self.instructions)
        return Instructions(
            folder,
            seq_len=self.seq_len,
            image_tokens=self.image_tokens,
            vocab_size=self.vocab_size,
        )

    @cached_property
    def _packed_rows(self) -> PackedOrder:
        name = source_name(self._rows.folder)
        samples = instruction_samples(self._rows, name, first_image=self.caption_images)
        return PackedOrder(samples, seq_len=self.seq_len, seed=self.seed)

    def _given(self, name: str, folder: Path | None) -> Path:
        if folder is None:
            raise ConfigError(
                f"image_ratio is {self.image_ratio} and instruction_ratio "
                f"{self.instruction_ratio}, but there are no {name}",
                where=name,
                mend="name the data set, or set the ratios to 0 or 1 so that it is not read",
            )
        return folder


def text_row(sequence: NDArray[np.integer[Any]]) -> Row:
    """Return a text sequence of T + 1 ids as a row: one document, as OpenLM trains on it."""
    ids = np.asarray(sequence, dtype=np.int64)
    no_images = np.empty(0, dtype=np.int64)
    return Row(ids[:-1], ids[1:], np.zeros(len(ids) - 1, dtype=np.int32), no_images)
