"""Captioned images: tar files of samples with an image and its caption.

A caption is the sample's `txt`; each sample must have both.
"""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.images import IMAGE_SUFFIXES
from models.data.index import Arrays, Index, fingerprints
from models.data.tars import read_samples, tar_files
from models.data.tokenizer import END_OF_TEXT, load_tokenizer, tokenizer_digest
from orchestrator.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Captions:
    """Tokens of all captions of a part; caption i belongs to image i of `open_images`."""

    ids: NDArray[np.integer[Any]]
    """All captions one after the other, each with its `END_OF_TEXT`."""
    starts: NDArray[np.int64]
    """(n + 1,). Where each caption begins in `ids`."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def tokens(self, index: int) -> NDArray[np.integer[Any]]:
        """Return the ids of one caption, with its `END_OF_TEXT`."""
        return self.ids[self.starts[index] : self.starts[index + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,). Ids of each caption, with its `END_OF_TEXT`."""
        return np.diff(self.starts)


def open_captions(folder: Path) -> Captions:
    """Open the captions of a part.

    Raises:
        DataError: if a tar file is missing or damaged, or a sample lacks its image or caption.
    """
    arrays = caption_index(folder).arrays()
    return Captions(arrays["ids"], arrays["starts"])


def caption_index(folder: Path) -> Index:
    """Return the index over the captions of a part.

    Raises:
        DataError: if there is no tar file or no tokenizer.
    """
    files = tar_files(folder)
    stamp = {**fingerprints(files), "tokenizer": tokenizer_digest(folder.parent)}
    return Index(
        folder=folder, name="captions", stamp=stamp, build=lambda: _tokenize(folder, files)
    )


def _tokenize(folder: Path, files: list[Path]) -> Arrays:
    tokenizer = load_tokenizer(folder.parent)
    texts = list(chain.from_iterable(_texts(file) for file in files))
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    ids = [[*encoding.ids, END_OF_TEXT] for encoding in encoded]
    starts = np.cumsum([0, *(len(caption) for caption in ids)], dtype=np.int64)
    wide = tokenizer.get_vocab_size() > 2**16
    flat = np.fromiter(chain.from_iterable(ids), np.uint32 if wide else np.uint16, starts[-1])
    return {"ids": flat, "starts": starts}


def _texts(file: Path) -> list[str]:
    texts: list[str] = []
    for sample in read_samples(file):
        images = sum(suffix in sample.fields for suffix in IMAGE_SUFFIXES)
        if "txt" not in sample.fields or images != 1:
            raise DataError(
                f"sample {sample.key} has {', '.join(sorted(sample.fields))}, "
                "not one image and a txt",
                where=str(file),
                mend="give each sample one image and its caption, or leave it out",
            )
        try:
            texts.append(sample.fields["txt"].decode())
        except UnicodeDecodeError as error:
            raise DataError(
                f"the caption of {sample.key} is not UTF-8", str(file), "write captions in UTF-8"
            ) from error
    return texts
