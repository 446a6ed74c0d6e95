"""An index beside a data set, so that opening it takes milliseconds.

An index is a cache: arrays derived from the published files by the readers of this package. It is
used only if its stamp (the files' fingerprints, the tokenizer) is today's, and left aside
otherwise: then the arrays are derived again, in memory.
"""

import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.spec.codec import Plain

INDEX_FORMAT = 1
"""Raise when any index's arrays change meaning; older ones are then left aside."""
LONG_SECONDS = 10.0
"""Reading a part without an index for longer than this is worth a word."""
_BLOCKS, _BLOCK = 16, 1024
"""Blocks of each file that its fingerprint covers, and their bytes."""

_LOG = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]
"""Named arrays of an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The index of one reader over one data set: how to make it, and how to know it is valid."""

    folder: Path
    """The part of the collection that is indexed."""
    name: str
    """The reader's name; an index lies in `index/<name>/` below the folder."""
    stamp: Mapping[str, Plain]
    """What the arrays were derived from."""
    build: Callable[[], Arrays]
    """Derives the arrays from the published files."""

    @property
    def path(self) -> Path:
        """Where the index lies."""
        return self.folder / "index" / self.name

    def arrays(self) -> Arrays:
        """Return the arrays: mapped from the index if it is valid, else derived in memory.

        Raises:
            DataError: if they are derived and the data are damaged.
        """
        found = self._load()
        if found is not None:
            return found
        began = time.monotonic()
        arrays = self.build()
        took = time.monotonic() - began
        if took > LONG_SECONDS:
            _LOG.warning(
                "reading %s took %.0f s, in every process that opens it; `sweep data index %s` "
                "writes an index that takes none",
                *(self.folder, took, self.folder),
            )
        return arrays

    def write(self) -> Arrays:
        """Derive the arrays, put them beside the data, whole or not at all, and return them.

        Raises:
            DataError: if the data are damaged.
        """
        arrays = self.build()
        self.path.parent.mkdir(exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=self.path.parent, prefix=f".{self.name}."))
        try:
            for name, array in sorted(arrays.items()):
                np.save(temporary / f"{name}.npy", array, allow_pickle=False)
            stamp = {**self._full_stamp(), "arrays": sorted(arrays)}
            text = json.dumps(stamp, indent=1, sort_keys=True)
            (temporary / "stamp.json").write_text(text + "\n", encoding="utf-8")
            temporary.chmod(0o755)
            if self.path.exists():
                shutil.rmtree(self.path)
            temporary.rename(self.path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return arrays

    def _full_stamp(self) -> dict[str, Plain]:
        return {"format": INDEX_FORMAT, **self.stamp}

    def _load(self) -> Arrays | None:
        try:
            stamp = json.loads((self.path / "stamp.json").read_text(encoding="utf-8"))
            names: list[str] = stamp.pop("arrays")
            if stamp != self._full_stamp():
                return None
            return {name: _mapped(self.path / f"{name}.npy") for name in names}
        except (OSError, EOFError, ValueError, KeyError, AttributeError, TypeError):
            return None  # missing, cut off or of another make: the data are the truth


def _mapped(path: Path) -> NDArray[Any]:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def fingerprints(files: list[Path]) -> dict[str, Plain]:
    """Return names, sizes in bytes and a hash of blocks spread over each file, for a stamp.

    Sizes alone would not do: tar files are filled up to whole records, so that one with other
    content often has the same size. An edit between the blocks goes unseen, but files of one
    version of a data set are not edited.
    """
    return {path.name: f"{path.stat().st_size}:{_spread_hash(path)}" for path in files}


def _spread_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        step = max(_BLOCK, path.stat().st_size // _BLOCKS)
        for start in range(0, path.stat().st_size, step):
            stream.seek(start)
            digest.update(stream.read(_BLOCK))
    return digest.hexdigest()[:16]
