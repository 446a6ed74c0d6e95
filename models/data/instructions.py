"""Instructions in LLaVA's format: rows as ids, and fine-tuning batches of them.

A row is its image, or `END_OF_TEXT` where it has none (as text follows it in pre-training), and
then its turns. Loss falls on answers and the `END_OF_TEXT` after each, never on human turns or
images.

A row that is not in the format, has an empty turn, or names an image that is missing, cannot be
decoded or is of one pixel, is left out (`models.data.bad`).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.data.bad import MOST_BAD, Bad, bad_arrays, bad_of, image_faults, refuse_too_many, tell
from models.data.batch import IGNORE, Batch, Row, collate
from models.data.conversations import Conversation, read_rows
from models.data.fitness import check_ids
from models.data.images import ImageSource, open_images
from models.data.index import Arrays, Index
from models.data.mixture import remembered_order, source_name
from models.data.packing import Example, check_room
from models.data.prompt import answer_text, question_text
from models.data.tokenizer import END_OF_TEXT, IMAGE, load_tokenizer, tokenizer_digest
from orchestrator.errors import DataError

ROWS_FILE = "llava.json"
"""File of a part's rows."""
_RULE = 1
"""Raise when other rows are left out: older indexes are then left aside."""
_NO_IMAGE = -1
"""In the index: the row has no image."""


class Instructions:
    """Rows of instructions as ids, each of which teaches something within a sequence. n rows.

    Args:
        folder: part with `llava.json` and its images.
        seq_len: T, most positions of a row. Longer rows lose what is beyond (`truncated`).
        image_tokens: P, positions of an image.
        tokenizer: the collection's, if it is open already.
        vocab_size: ids that the model has; None for a model that is not known.

    Raises:
        ConfigError: if an image leaves no position for text.
        DataError: if the rows or the tokenizer are missing or no rows at all, more rows are bad
            than may be left out, or a row has no answer within `seq_len` or an id beyond the
            vocabulary.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seq_len: int,
        image_tokens: int,
        tokenizer: Tokenizer | None = None,
        vocab_size: int | None = None,
    ) -> None:
        check_room(seq_len, image_tokens)
        arrays = instruction_index(folder, tokenizer).arrays()
        self.folder, self.seq_len, self._image_tokens = folder, seq_len, image_tokens
        self._ids, self._answers = arrays["ids"], arrays["answers"]
        self._starts, self._images = arrays["starts"], arrays["images"]
        self._rows = arrays["rows"]
        self.bad = bad_of(arrays)
        tell(folder, self.bad)
        check_ids(self._ids, vocab_size, self._place_of_id)
        self._check_answers()

    def __len__(self) -> int:
        return len(self._images)

    def _place_of_id(self, number: int) -> str:
        return self._place(int(np.searchsorted(self._starts, number, side="right")) - 1)

    def _place(self, row: int) -> str:
        return f"{self.folder / ROWS_FILE}: row {self._rows[row]}"

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
                f"the row has no answer within {self.seq_len} positions",
                where=self._place(int(silent[0])),
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
        vocab_size: ids that the model has; None for a model that is not known.

    Raises:
        ConfigError: if an image leaves no position for text.
        DataError: if the rows or the tokenizer are missing or no rows at all, more rows are bad
            than may be left out, or a row has no answer within `seq_len` or an id beyond the
            vocabulary.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seq_len: int,
        image_tokens: int,
        seed: int,
        tokenizer: Tokenizer | None = None,
        vocab_size: int | None = None,
    ) -> None:
        self._rows = Instructions(
            folder,
            seq_len=seq_len,
            image_tokens=image_tokens,
            tokenizer=tokenizer,
            vocab_size=vocab_size,
        )
        self._order = remembered_order(len(self), seed, source_name(folder))

    def __len__(self) -> int:
        """Return the rows of one pass."""
        return len(self._rows)

    @property
    def bad(self) -> tuple[Bad, ...]:
        """Rows that are left out."""
        return self._rows.bad

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


def instruction_index(
    folder: Path, tokenizer: Tokenizer | None = None, most_bad: int = MOST_BAD
) -> Index:
    """Return the index over a part of instructions.

    Args:
        folder: the part.
        tokenizer: the collection's, if it is open already.
        most_bad: rows that may be left out. At least 0.

    Raises:
        DataError: if the rows or the tokenizer are missing.
    """
    path = folder / ROWS_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the rows cannot be read ({error.strerror})", str(path), "make or fetch the file again"
        ) from error
    rows = hashlib.sha256(content).hexdigest()[:16]
    stamp = {"rows": rows, "tokenizer": tokenizer_digest(folder.parent), "rule": _RULE}
    return Index(
        folder=folder,
        name="instructions",
        stamp={**stamp, "images": _image_stamp(folder)},
        build=lambda: _build(folder, tokenizer or load_tokenizer(folder.parent), most_bad),
    )


def _build(folder: Path, tokenizer: Tokenizer, most_bad: int) -> Arrays:
    read = read_rows(folder / ROWS_FILE)
    images = _images(folder, {row.image for row in read if isinstance(row, Conversation)})
    numbers: list[int] = []
    rows: list[Conversation] = []
    bad: list[Bad] = []
    for number, row in enumerate(read):
        fault = row.what if isinstance(row, DataError) else images[row.image].fault
        if fault is not None:
            bad.append(Bad(f"{ROWS_FILE}: row {number}", fault))
        elif isinstance(row, Conversation):
            numbers.append(number)
            rows.append(row)
    refuse_too_many(folder, bad, most_bad, len(read))
    return {
        **_tokenize(rows, tokenizer),
        "rows": np.array(numbers, dtype=np.int64),
        "images": np.array([images[row.image].number for row in rows], dtype=np.int64),
        **bad_arrays(bad),
    }


def _tokenize(rows: list[Conversation], tokenizer: Tokenizer) -> Arrays:
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
    }


@dataclass(frozen=True, slots=True)
class _Image:
    number: int
    fault: str | None


def _images(folder: Path, names: set[str | None]) -> dict[str | None, _Image]:
    """Look up and decode the images that rows name; None is the image of a row of text."""
    found: dict[str | None, _Image] = {None: _Image(_NO_IMAGE, None)}
    named = sorted(name for name in names if name is not None)
    if not named:
        return found
    try:
        source = open_images(folder)
    except DataError as error:
        return {**found, **{name: _Image(_NO_IMAGE, error.what) for name in named}}
    for (name, number), fault in image_faults(_contents(source, named)):
        if number is None:
            found[name] = _Image(_NO_IMAGE, f"there is no image {name}")
        else:
            found[name] = _Image(number, None if fault is None else f"{name}: {fault}")
    return found


def _contents(
    source: ImageSource, names: list[str]
) -> Iterator[tuple[tuple[str, int | None], bytes | None]]:
    for name in names:
        try:
            number = source.index(name)
            yield (name, number), source.content(number)
        except DataError:
            yield (name, None), None


def _image_stamp(folder: Path) -> str:
    """Name the images by their paths: another file changes the numbers of all after it."""
    try:
        source = open_images(folder)
    except DataError:
        return "none"
    keys = "\n".join(source.key(index) for index in range(len(source)))
    return hashlib.sha256(keys.encode()).hexdigest()[:16]
