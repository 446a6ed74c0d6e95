"""Instructions in LLaVA's format: rows as ids, and fine-tuning batches of them.

A row is its image, or `END_OF_TEXT` where it has none (as text follows it in pre-training), and
then its turns. Loss falls on answers and the `END_OF_TEXT` after each, never on human turns or
images.
"""

import hashlib
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.data.batch import IGNORE, Batch, Row, collate
from models.data.conversations import Conversation, read_conversations
from models.data.images import ImageSource, open_images
from models.data.index import Arrays, Index
from models.data.mixture import remembered_order, source_name
from models.data.packing import Example, check_room
from models.data.prompt import answer_text, question_text
from models.data.tokenizer import END_OF_TEXT, IMAGE, load_tokenizer, tokenizer_digest
from orchestrator.errors import DataError

_NO_IMAGE = -1
"""In the index: the row has no image."""


class Instructions:
    """Rows of instructions as ids, each of which teaches something within a sequence. n rows.

    Args:
        folder: part with `llava.json` and its images.
        seq_len: T, most positions of a row. Longer rows lose what is beyond (`truncated`).
        image_tokens: P, positions of an image.
        tokenizer: the collection's, if it is open already.

    Raises:
        ConfigError: if an image leaves no position for text.
        DataError: if a row, an image or the tokenizer is missing or not in the format, or a row
            has no answer within `seq_len`.
    """

    def __init__(
        self, folder: Path, *, seq_len: int, image_tokens: int, tokenizer: Tokenizer | None = None
    ) -> None:
        check_room(seq_len, image_tokens)
        arrays = instruction_index(folder, tokenizer).arrays()
        self.folder, self.seq_len, self._image_tokens = folder, seq_len, image_tokens
        self._ids, self._answers = arrays["ids"], arrays["answers"]
        self._starts, self._images = arrays["starts"], arrays["images"]
        self._check_answers()

    def __len__(self) -> int:
        return len(self._images)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Ids of each row, its image's positions among them, before it is cut, (n,)."""
        return np.diff(self._starts) + self._before()

    @property
    def has_image(self) -> NDArray[np.bool_]:
        """(n,)."""
        return np.asarray(self._images) != _NO_IMAGE

    @property
    def truncated(self) -> int:
        """Rows that lose positions at their end."""
        return int(np.count_nonzero(self.lengths > self.seq_len + 1))

    def example(self, row: int) -> Example:
        """Return one row, of at most T + 1 ids."""
        part = slice(self._starts[row], self._starts[row + 1])
        image = int(self._images[row])
        before = [END_OF_TEXT] if image == _NO_IMAGE else [IMAGE] * self._image_tokens
        ids = np.concatenate([before, self._ids[part]])[: self.seq_len + 1]
        supervised = np.concatenate([np.zeros(len(before), bool), self._answers[part]])[: len(ids)]
        images = np.array([] if image == _NO_IMAGE else [image], dtype=np.int64)
        return Example(ids, supervised, images)

    def _before(self) -> NDArray[np.int64]:
        """Return the positions before the first turn of each row, (n,)."""
        return np.where(self.has_image, self._image_tokens, 1)

    def _check_answers(self) -> None:
        """Refuse rows whose first answer lies beyond the sequence: they would teach nothing."""
        counts = np.concatenate([[0], np.cumsum(self._answers)])
        room = self.seq_len + 1 - self._before()
        ends = np.minimum(self._starts[:-1] + room, self._starts[1:])
        silent = np.flatnonzero(counts[ends] == counts[self._starts[:-1]])
        if len(silent):
            raise DataError(
                f"row {silent[0]} has no answer within {self.seq_len} positions",
                where=str(self.folder / "llava.json"),
                mend="train with longer sequences, or leave such rows out",
            )


class InstructionData:
    """Rows of instructions, one in each sequence, in the order of endless, reshuffled passes.

    Args:
        folder: part with `llava.json` and its images.
        seq_len: T, most positions of a row. Longer rows lose what is beyond (`truncated`).
        image_tokens: P, positions of an image.
        seed: seeds the order.
        tokenizer: the collection's, if it is open already.

    Raises:
        ConfigError: if an image leaves no position for text.
        DataError: if a row, an image or the tokenizer is missing or not in the format, or a row
            has no answer within `seq_len`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seq_len: int,
        image_tokens: int,
        seed: int,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        self._rows = Instructions(
            folder, seq_len=seq_len, image_tokens=image_tokens, tokenizer=tokenizer
        )
        self._order = remembered_order(len(self), seed, source_name(folder))

    def __len__(self) -> int:
        """Return the rows of one pass."""
        return len(self._rows)

    @cached_property
    def images(self) -> ImageSource:
        """The images that `Batch.images` counts."""
        return open_images(self._rows.folder)

    @property
    def truncated(self) -> int:
        """Rows that lose positions at their end."""
        return self._rows.truncated

    def batch(self, first_example: int, examples: int) -> Batch:
        """Return rows from `first_example` on, counted over all passes, (B, longest row)."""
        rows = [self._row(number) for number in range(first_example, first_example + examples)]
        return collate(rows, max(len(row.ids) for row in rows))

    def epochs_before(self, example: int) -> float:
        """Return the passes that the first `example` rows make."""
        return example / len(self)

    def _row(self, number: int) -> Row:
        epoch, position = divmod(number, len(self))
        example = self._rows.example(int(self._order(epoch)[position]))
        ids = example.ids
        targets = np.where(example.supervised, ids, IGNORE)[1:]
        return Row(ids[:-1], targets, np.zeros(len(targets), np.int32), example.images)


def instruction_index(folder: Path, tokenizer: Tokenizer | None = None) -> Index:
    """Return the index over a part of instructions.

    Raises:
        DataError: if the rows or the tokenizer are missing.
    """
    path = folder / "llava.json"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the rows cannot be read ({error.strerror})", str(path), "make or fetch the file again"
        ) from error
    rows = hashlib.sha256(content).hexdigest()[:16]
    stamp = {"rows": rows, "tokenizer": tokenizer_digest(folder.parent)}
    return Index(
        folder=folder,
        name="instructions",
        stamp={**stamp, "images": _image_stamp(folder)},
        build=lambda: _tokenize(
            folder, read_conversations(path), tokenizer or load_tokenizer(folder.parent)
        ),
    )


def _tokenize(folder: Path, rows: list[Conversation], tokenizer: Tokenizer) -> Arrays:
    images = _image_numbers(folder, rows)
    texts = [
        text
        for row in rows
        for question, answer in row.turns
        for text in (question_text(question), answer_text(answer))
    ]
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    for answer in encoded[1::2]:
        answer.append(END_OF_TEXT)
    lengths = np.array([len(ids) for ids in encoded], dtype=np.int64)
    ends = np.cumsum(lengths)
    turns = np.cumsum([2 * len(row.turns) for row in rows])
    starts = np.concatenate([[0], ends[turns - 1]])
    return {
        "ids": np.fromiter(chain.from_iterable(encoded), np.int32, ends[-1]),
        "answers": np.repeat(np.arange(len(encoded)) % 2 == 1, lengths),
        "starts": starts.astype(np.int64),
        "images": images,
    }


def _image_numbers(folder: Path, rows: list[Conversation]) -> NDArray[np.int64]:
    if all(row.image is None for row in rows):
        return np.full(len(rows), _NO_IMAGE, dtype=np.int64)
    source = open_images(folder)
    numbers: list[int] = []
    for number, row in enumerate(rows):
        try:
            numbers.append(_NO_IMAGE if row.image is None else source.index(row.image))
        except DataError as error:
            raise error.within(f"{folder / 'llava.json'}: row {number}") from error
    return np.array(numbers, dtype=np.int64)


def _image_stamp(folder: Path) -> str:
    """Name the images by their paths: another file changes the numbers of all after it."""
    try:
        source = open_images(folder)
    except DataError:
        return "none"
    keys = "\n".join(source.key(index) for index in range(len(source)))
    return hashlib.sha256(keys.encode()).hexdigest()[:16]
