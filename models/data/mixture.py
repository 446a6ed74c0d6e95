"""The one global order of training sequences. Pure: no state, the same on every machine.

Which sequence comes at an index depends on the index, the ratios, the seed and the data's name, and
on nothing else: not on workers, restarts or how a trunk is cut into segments.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.spec.ratio import images_before

EPOCHS_KEPT = 4
"""Orders held in memory for each source; a batch touches one, or two where an epoch ends."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


class Kind(StrEnum):
    """What a training sequence is made of."""

    TEXT = "text"
    CAPTIONS = "captions"
    INSTRUCTIONS = "instructions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Which kind of sequence comes at each index.

    Images are mixed among all sequences, and by the same rule instructions among those of images:
    every prefix of a run has each kind to within one sequence of its share.
    """

    image_ratio: float
    """Share of the sequences that are of images, in [0, 1]."""
    instruction_ratio: float = 0.0
    """Share of the sequences of images that are of instructions, in [0, 1]."""

    def before(self, index: int) -> dict[Kind, int]:
        """Count the sequences of each kind among the first `index`."""
        images = images_before(index, self.image_ratio)
        instructions = images_before(images, self.instruction_ratio)
        return {
            Kind.TEXT: index - images,
            Kind.CAPTIONS: images - instructions,
            Kind.INSTRUCTIONS: instructions,
        }

    def at(self, index: int) -> tuple[Kind, int]:
        """Return the kind of the sequence at `index`, and its number among those of its kind."""
        images = images_before(index, self.image_ratio)
        if images_before(index + 1, self.image_ratio) == images:
            return Kind.TEXT, index - images
        instructions = images_before(images, self.instruction_ratio)
        if images_before(images + 1, self.instruction_ratio) == instructions:
            return Kind.CAPTIONS, images - instructions
        return Kind.INSTRUCTIONS, instructions

    def uses(self, kind: Kind) -> bool:
        """Return whether any sequence is of this kind."""
        return {
            Kind.TEXT: self.image_ratio < 1,
            Kind.CAPTIONS: self.image_ratio > 0 and self.instruction_ratio < 1,
            Kind.INSTRUCTIONS: self.image_ratio > 0 and self.instruction_ratio > 0,
        }[kind]


def order(n: int, seed: int, epoch: int, name: str) -> NDArray[np.int64]:
    """Return the order in which one pass over `n` items reads them, (n,).

    Items are sorted by a hash of (seed, epoch, name, item). NumPy's own permutations may change
    between its versions; this order may not.
    """
    text = f"{seed}/{epoch}/{name}".encode()
    start = np.uint64(int.from_bytes(hashlib.sha256(text).digest()[:8], "little"))
    hashed = _splitmix64(start + _GOLDEN * np.arange(1, n + 1, dtype=np.uint64))
    return np.argsort(hashed, kind="stable")


def remembered_order(n: int, seed: int, name: str) -> Callable[[int], NDArray[np.int64]]:
    """Return `order` as a function of the epoch that keeps its latest answers."""

    @lru_cache(EPOCHS_KEPT)
    def of_epoch(epoch: int) -> NDArray[np.int64]:
        return order(n, seed, epoch, name)

    return of_epoch


def source_name(folder: Path) -> str:
    """Return what an order is seeded with beside the seed: collection, version and part."""
    return f"{folder.parent.name}/{folder.name}"


def subset_name(name: str, subset: NDArray[np.int64]) -> str:
    """Return what the order of some of a source's items is seeded with: their numbers name it."""
    numbers = np.ascontiguousarray(subset, dtype="<i8").tobytes()
    return f"{name}/{hashlib.sha256(numbers).hexdigest()[:16]}"


def _splitmix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers, one to one (Steele, Lea, Flood 2014, doi 10.1145/2660193.2660195).

    As n items start from n different states, no two of them hash alike.
    """
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))
