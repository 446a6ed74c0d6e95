"""Samples that nothing can be learnt from: left out, counted and named, up to a limit.

Which samples these are is found when a part is indexed, by reading every sample, and follows from
the published files alone. The training order is one over the others. So it is the same on any
number of devices and workers, however often a run is stopped, and with an index or without.

The limit belongs to the data, not to the study: `sweep data index --max-bad` states it for the
index that it writes, and without an index it is `MOST_BAD`. Above it nothing can be opened.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from models.data.index import Arrays
from models.data.pixels import image_fault
from orchestrator.errors import DataError

MOST_BAD = 100
"""Samples of a part that may be left out where no other limit is stated."""
NAMED = 5
"""Samples that an error or a log line names one by one."""
_AT_ONCE = 256
"""Images that are decoded together: they are held in memory."""
_MOST_THREADS = 16
"""Threads that decode; Pillow lets others run meanwhile."""

_LOG = logging.getLogger(__name__)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Bad:
    """A sample that is left out."""

    place: str
    """File and sample or row, such as `00000001.tar: sample 000000028`, inside the part."""
    reason: str
    """Why nothing can be learnt from it."""

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


def refuse_too_many(folder: Path, bad: Sequence[Bad], most_bad: int, samples: int) -> None:
    """Refuse a part with too many bad samples, or no other.

    Args:
        folder: the part.
        bad: its bad samples.
        most_bad: how many there may be. At least 0.
        samples: all samples, the bad ones among them.

    Raises:
        DataError: with their count and the first ones.
    """
    if len(bad) <= most_bad and len(bad) < samples:
        return
    first = "; ".join(str(one) for one in bad[:NAMED])
    raise DataError(
        f"{len(bad)} of {samples} samples cannot be used, where at most {most_bad} may be left out"
        + (f": {first}" if first else ""),
        where=str(folder),
        mend=f"mend or remove what `sweep data check {folder}` names, or allow for more with "
        f"`sweep data index --max-bad`",
    )


def tell(folder: Path, bad: Sequence[Bad]) -> None:
    """Log how many samples of a part are left out, and the first ones."""
    if bad:
        first = "; ".join(str(one) for one in bad[:NAMED])
        _LOG.warning("%s: %d samples are left out: %s", folder, len(bad), first)


def bad_arrays(bad: Sequence[Bad]) -> Arrays:
    """Return bad samples as arrays of an index."""
    return {
        "bad_places": np.array([one.place for one in bad], dtype=np.str_),
        "bad_reasons": np.array([one.reason for one in bad], dtype=np.str_),
    }


def bad_of(arrays: Arrays) -> tuple[Bad, ...]:
    """Return the bad samples that an index names."""
    pairs = zip(arrays["bad_places"].tolist(), arrays["bad_reasons"].tolist(), strict=True)
    return tuple(Bad(str(place), str(reason)) for place, reason in pairs)


def image_faults(items: Iterable[tuple[Item, bytes | None]]) -> Iterator[tuple[Item, str | None]]:
    """Yield each item with the fault of its image's bytes, in order; None stands for no image."""
    waiting = iter(items)
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        while chunk := list(islice(waiting, _AT_ONCE)):
            contents = [content for _, content in chunk]
            yield from zip((item for item, _ in chunk), pool.map(_fault, contents), strict=True)


def _fault(content: bytes | None) -> str | None:
    return None if content is None else image_fault(content)
