"""Put the runs of a schedule on numbered devices: a schedule only says how many each takes.

The lowest devices that are free are taken, side by side where there is a gap wide enough.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Placement(Protocol):
    """When a run, or one of several jobs of it, works, and on how many devices."""

    @property
    def run_id(self) -> str:
        """The run."""
        ...

    @property
    def start_hours(self) -> float:
        """Begin, in hours since the start of the study."""
        ...

    @property
    def end_hours(self) -> float:
        """End, in hours since the start of the study."""
        ...

    @property
    def devices(self) -> int:
        """Devices that work at once. At least 1."""
        ...

    @property
    def pool(self) -> str:
        """Where: the name of a partition, or of this machine."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A run on devices that lie side by side; a run on scattered devices has several."""

    run_id: str
    """The run."""
    start_hours: float
    """Begin, in hours since the start of the study."""
    end_hours: float
    """End, in hours since the start of the study."""
    device: int
    """First of its devices, counted over all pools from 0."""
    devices: int
    """How many. At least 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The devices of one pool."""

    pool: str
    """Its name."""
    device: int
    """First of its devices, counted over all pools from 0."""
    devices: int
    """How many work at once, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A schedule on numbered devices."""

    bars: tuple[Bar, ...]
    """By pool, then in the order in which they start."""
    blocks: tuple[Block, ...]
    """Pools, in the order in which they first work."""

    @property
    def devices(self) -> int:
        """Devices over all pools."""
        return sum(block.devices for block in self.blocks)


def pack(placements: Iterable[Placement]) -> Packed:
    """Give each placement its devices, each pool a block of its own."""
    order = sorted(placements, key=lambda it: (it.start_hours, it.end_hours, it.run_id))
    bars: list[Bar] = []
    blocks: list[Block] = []
    for pool in dict.fromkeys(placement.pool for placement in order):
        own = [placement for placement in order if placement.pool == pool]
        first = sum(block.devices for block in blocks)
        most = _most_at_once(own)
        bars += _pack_block(own, first, most)
        blocks.append(Block(pool=pool, device=first, devices=most))
    return Packed(bars=tuple(bars), blocks=tuple(blocks))


def _most_at_once(order: Sequence[Placement]) -> int:
    """Return how many devices work at once, at most; what ends leaves before what starts."""
    working: list[tuple[float, int]] = []
    used = most = 0
    for placement in order:
        while working and working[0][0] <= placement.start_hours:
            used -= heapq.heappop(working)[1]
        heapq.heappush(working, (placement.end_hours, placement.devices))
        used += placement.devices
        most = max(most, used)
    return most


def _pack_block(order: Sequence[Placement], first: int, most: int) -> list[Bar]:
    free = [(first, first + most)]
    working: list[tuple[float, int, int]] = []
    bars: list[Bar] = []
    for placement in order:
        while working and working[0][0] <= placement.start_hours:
            _, begin, end = heapq.heappop(working)
            free = _merged([*free, (begin, end)])
        taken, free = _take(free, placement.devices)
        for begin, end in taken:
            heapq.heappush(working, (placement.end_hours, begin, end))
            bars.append(
                Bar(
                    run_id=placement.run_id,
                    start_hours=placement.start_hours,
                    end_hours=placement.end_hours,
                    device=begin,
                    devices=end - begin,
                )
            )
    return bars


Span = tuple[int, int]
"""Devices from the first up to but not including the second."""


def _take(free: list[Span], devices: int) -> tuple[list[Span], list[Span]]:
    """Split free spans into what a run takes and what is left."""
    for index, (begin, end) in enumerate(free):
        if end - begin >= devices:
            rest = [(begin + devices, end)] if end - begin > devices else []
            return [(begin, begin + devices)], [*free[:index], *rest, *free[index + 1 :]]
    taken: list[Span] = []
    left: list[Span] = []
    for begin, end in free:
        here = min(devices, end - begin)
        devices -= here
        taken += [(begin, begin + here)] if here else []
        left += [(begin + here, end)] if begin + here < end else []
    return taken, left


def _merged(spans: list[Span]) -> list[Span]:
    """Join free spans that touch."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and joined[-1][1] == begin:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined
