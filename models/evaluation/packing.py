"""Sequences that begin alike go through the model as one: each shared token once.

A pack is a tree of tokens, written down branch by branch: a token sees those on the way from the
root to it, and stands where it stands in its own sequence. Causal attention makes that exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from models.architecture.attention import Layout
from models.data.tokenizer import IMAGE
from models.evaluation.respondent import Tokens

PACK_POSITIONS = 512
"""Positions of a pack, or half as much again as its longest sequence: what a token may not see
costs as much as what it sees."""

Path = NDArray[np.int64]
"""Places in a pack of a sequence's tokens."""


@dataclass(slots=True)
class Pack:
    """Sequences with their common image, if there is one."""

    image: int | None
    tokens: list[int] = field(default_factory=list[int])
    """Those of all branches."""
    paths: dict[int, Path] = field(default_factory=dict[int, Path])
    """Where each sequence's tokens stand in `tokens`, by the sequence's number."""
    branches: list[tuple[Path, int]] = field(default_factory=list[tuple[Path, int]])
    """Of each branch: the path to it, and where it ends in `tokens`."""

    @property
    def is_chain(self) -> bool:
        """Whether there is one branch, so that each token sees all before it."""
        return len(self.branches) == 1


def packs(sequences: Sequence[tuple[Tokens, int | None]]) -> list[Pack]:
    """Put sequences (tokens, image) together that share at least half of their tokens.

    In sorted order, each sequence shares most with the one before it.
    """

    def key(i: int) -> tuple[int, Tokens]:
        tokens, image = sequences[i]
        return (-1 if image is None else image, tokens)

    made: list[Pack] = []
    before: Tokens = ()
    for i in sorted(range(len(sequences)), key=key, reverse=True):
        tokens, image = sequences[i]
        shared = _shared(before, tokens)
        if not made or made[-1].image != image or not _fits(made[-1], tokens, shared):
            made.append(Pack(image))
            shared, before = 0, ()
        _add(made[-1], i, tokens, shared)
        before = tokens
    return made


def layout(some: Sequence[Pack], device: str) -> Layout | None:
    """Say where the tokens of packs stand that share a batch; None if all are chains."""
    if all(pack.is_chain for pack in some):
        return None
    length = max(len(pack.tokens) for pack in some)
    places = np.zeros((len(some), length), dtype=np.int64)  # (B, T)
    mask = np.zeros((len(some), 1, length, length), dtype=np.bool)  # (B, 1, T, T)
    mask[:, 0, range(length), range(length)] = True  # padding sees itself
    for b, pack in enumerate(some):
        start = 0
        for path, end in pack.branches:
            own = np.tri(end - start, dtype=np.bool)
            mask[b, 0, start:end, start:end] = own
            mask[b, 0, start:end, path] = True
            places[b, start:end] = np.arange(len(path), len(path) + end - start)
            start = end
    return Layout(torch.from_numpy(places).to(device), torch.from_numpy(mask).to(device))


def _shared(one: Tokens, other: Tokens) -> int:
    """Return how many tokens two sequences begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # slices compare much faster than single tokens
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _fits(pack: Pack, tokens: Tokens, shared: int) -> bool:
    """Return whether a sequence that shares so many tokens with the last one belongs to a pack."""
    rest = tokens[shared:]
    if not rest:
        return True
    longest = max(len(tokens), len(pack.branches[0][0]) + pack.branches[0][1])
    room = max(PACK_POSITIONS, 3 * longest // 2)
    is_worth_it = 2 * shared >= len(tokens) and IMAGE not in rest
    return is_worth_it and len(pack.tokens) + len(rest) <= room


def _add(pack: Pack, number: int, tokens: Tokens, shared: int) -> None:
    """Add a sequence that shares so many tokens with the one added last."""
    last = next(reversed(pack.paths.values()), np.zeros(0, dtype=np.int64))
    before, start = last[:shared], len(pack.tokens)
    end = start + len(tokens) - shared
    if end > start or not pack.branches:
        pack.tokens.extend(tokens[shared:])
        pack.branches.append((before, end))
    pack.paths[number] = np.concatenate((before, np.arange(start, end)))
