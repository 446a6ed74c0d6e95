"""Captioned images: tar files of samples with an image and its caption.

A caption is the sample's `txt`. A sample without exactly one image and a caption in UTF-8 of at
least one token, or whose image cannot be decoded or is of one pixel, is left out
(`models.data.bad`).
"""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.bad import MOST_BAD, Bad, bad_arrays, bad_of, image_faults, refuse_too_many, tell
from models.data.doubled import refuse_doubled
from models.data.fitness import check_ids
from models.data.images import IMAGE_SUFFIXES, image_members
from models.data.index import Arrays, Index, fingerprints
from models.data.tars import Sample, read_samples, tar_files
from models.data.tokenizer import END_OF_TEXT, load_tokenizer, tokenizer_digest
from orchestrator.errors import DataError

_RULE = 1
"""Raise when other samples are left out: older indexes are then left aside."""


@dataclass(frozen=True, slots=True, eq=False)
class Captions:
    """Tokens of the captions of a part, those left out not among them. n captions."""

    ids: NDArray[np.integer[Any]]
    """All captions one after the other, each with its `END_OF_TEXT`."""
    starts: NDArray[np.int64]
    """(n + 1,). Where each caption begins in `ids`."""
    _: KW_ONLY
    images: NDArray[np.int64]
    """(n,). The image of each, as `open_images` counts the part's; ascending."""
    all_images: int
    """Images of the part, those of samples left out among them."""
    bad: tuple[Bad, ...] = ()
    """The samples that are left out."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def tokens(self, index: int) -> NDArray[np.integer[Any]]:
        """Return the ids of one caption, with its `END_OF_TEXT`."""
        return self.ids[self.starts[index] : self.starts[index + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,). Ids of each caption, with its `END_OF_TEXT`."""
        return np.diff(self.starts)


@dataclass(frozen=True, slots=True)
class _Read:
    """What stands in one sample."""

    place: str
    text: str | None
    """The caption; None if there is none that can be read."""
    fault: str | None
    """Why the sample is bad, as far as it shows without its image; None if it does not."""
    image: int
    """Number of its first image among the part's."""


def open_captions(folder: Path, vocab_size: int | None = None) -> Captions:
    """Open the captions of a part.

    Args:
        folder: the part.
        vocab_size: ids that the model has; None for a model that is not known.

    Raises:
        DataError: if a tar file is missing, damaged or there twice, more samples are bad than may
            be left out, or a caption has an id beyond the vocabulary.
    """
    arrays = caption_index(folder).arrays()
    captions = Captions(
        arrays["ids"],
        arrays["starts"],
        images=np.asarray(arrays["images"]),
        all_images=int(arrays["all_images"][0]),
        bad=bad_of(arrays),
    )

    tell(folder, captions.bad)

    def place(number: int) -> str:
        caption = int(np.searchsorted(captions.starts, number, side="right")) - 1
        return f"{folder}: caption {caption}"

    check_ids(captions.ids, vocab_size, place)
    return captions


def caption_index(folder: Path, most_bad: int = MOST_BAD) -> Index:
    """Return the index over the captions of a part.

    Args:
        folder: the part.
        most_bad: samples that may be left out. At least 0.

    Raises:
        DataError: if there is no tar file or no tokenizer, or a tar file is there twice.
    """
    files = tar_files(folder)
    stamp = fingerprints(files)
    refuse_doubled(files, stamp)
    return Index(
        folder=folder,
        name="captions",
        stamp={**stamp, "tokenizer": tokenizer_digest(folder.parent), "rule": _RULE},
        build=lambda: _build(folder, files, most_bad),
    )


def _build(folder: Path, files: list[Path], most_bad: int) -> Arrays:
    tokenizer = load_tokenizer(folder.parent)
    read: list[_Read] = []
    faults: list[str | None] = []
    for sample, fault in image_faults(_samples(files)):
        read.append(sample)
        faults.append(sample.fault or fault)
    texts = [sample.text or "" for sample in read]
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    tokens = [encoding.ids for encoding in encoded]
    faults = [
        fault or (None if ids else "its caption has no token")
        for fault, ids in zip(faults, tokens, strict=True)
    ]
    bad = [Bad(one.place, fault) for one, fault in zip(read, faults, strict=True) if fault]
    refuse_too_many(folder, bad, most_bad, len(read))
    good = [number for number, fault in enumerate(faults) if fault is None]
    ids = [[*tokens[number], END_OF_TEXT] for number in good]
    starts = np.cumsum([0, *(len(caption) for caption in ids)], dtype=np.int64)
    wide = tokenizer.get_vocab_size() > 2**16
    flat = np.fromiter(chain.from_iterable(ids), np.uint32 if wide else np.uint16, starts[-1])
    return {
        "ids": flat,
        "starts": starts,
        "images": np.array([read[number].image for number in good], dtype=np.int64),
        "all_images": np.array([sum(len(image_members(file)) for file in files)]),
        **bad_arrays(bad),
    }


def _samples(files: list[Path]) -> Iterator[tuple[_Read, bytes | None]]:
    """Yield what stands in each sample, and the bytes of its image if it has one."""
    images = 0  # of the files before
    for file in files:
        numbers = {name: number for number, name in enumerate(image_members(file), start=images)}
        empty = True
        for sample in read_samples(file):
            empty = False
            yield _read(file, sample, numbers)
        if empty:
            raise DataError("the shard is empty", str(file), "remove it")
        images += len(numbers)


def _read(file: Path, sample: Sample, numbers: dict[str, int]) -> tuple[_Read, bytes | None]:
    place = f"{file.name}: sample {sample.key}"
    suffixes = [suffix for suffix in IMAGE_SUFFIXES if suffix in sample.fields]
    if "txt" not in sample.fields or len(suffixes) != 1:
        has = ", ".join(sorted(sample.fields))
        return _Read(place, None, f"it has {has}, not one image and a txt", -1), None
    (suffix,) = suffixes
    number = numbers[f"{sample.key}.{suffix}"]
    content = sample.fields["txt"]
    try:
        return _Read(place, content.decode(), None, number), sample.fields[suffix]
    except UnicodeDecodeError:
        return _Read(place, None, "its caption is not UTF-8", number), None
