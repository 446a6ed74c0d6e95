"""Each run gets its devices, no device does two things, and no more are used than work at once."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.plans.packing import Bar, pack


@dataclass(frozen=True)
class Placed:
    run_id: str
    start_hours: float
    end_hours: float
    devices: int
    pool: str = "here"


@st.composite
def schedules(draw: st.DrawFn) -> list[Placed]:
    placed: list[Placed] = []
    for place in range(draw(st.integers(1, 12))):
        start = draw(st.integers(0, 8))
        length = draw(st.integers(0, 5))
        devices, pool = draw(st.integers(1, 5)), draw(st.sampled_from(["a", "b"]))
        placed.append(Placed(f"r{place}", start, start + length, devices, pool))
    return placed


def at_once(placed: list[Placed], pool: str) -> int:
    """Devices at work in the middle of each hour, at most: starts and ends are whole hours."""
    return max(
        sum(p.devices for p in placed if p.pool == pool and p.start_hours <= hour < p.end_hours)
        for hour in range(14)
    )


@given(schedules())
def test_no_device_does_two_things_and_each_run_has_its_devices(placed: list[Placed]) -> None:
    packed = pack(placed)
    given_to: defaultdict[str, int] = defaultdict(int)
    spans = {
        block.pool: range(block.device, block.device + block.devices) for block in packed.blocks
    }
    for bar in packed.bars:
        given_to[bar.run_id] += bar.devices
    assert dict(given_to) == {p.run_id: p.devices for p in placed}
    for place, bar in enumerate(packed.bars):
        pool = next(p.pool for p in placed if p.run_id == bar.run_id)
        assert bar.device in spans[pool]
        assert bar.device + bar.devices - 1 in spans[pool]
        for other in packed.bars[place + 1 :]:
            assert not (_share_time(bar, other) and _share_devices(bar, other))


@given(schedules())
def test_no_more_devices_are_shown_than_work_at_once(placed: list[Placed]) -> None:
    long_enough = [p for p in placed if p.end_hours > p.start_hours]
    packed = pack(long_enough)
    most = {block.pool: block.devices for block in packed.blocks}
    assert most == {pool: at_once(long_enough, pool) for pool in most}
    assert packed.devices == sum(most.values())


def _share_time(one: Bar, other: Bar) -> bool:
    return max(one.start_hours, other.start_hours) < min(one.end_hours, other.end_hours)


def _share_devices(one: Bar, other: Bar) -> bool:
    return max(one.device, other.device) < min(
        one.device + one.devices, other.device + other.devices
    )


def test_devices_side_by_side_are_taken_where_there_are_any(place: Callable[..., Placed]) -> None:
    placed = [
        place(run_id="a", start_hours=0, end_hours=1),
        place(run_id="b", start_hours=0.1, end_hours=9),
        place(run_id="c", start_hours=0.2, end_hours=1, devices=2),
        place(run_id="wide", start_hours=1, end_hours=2, devices=2),
    ]
    bars = {bar.run_id: bar for bar in pack(placed).bars}
    assert bars["b"].device == 1
    assert (bars["wide"].device, bars["wide"].devices) == (2, 2)


def test_a_run_on_scattered_devices_has_a_bar_for_each_group(
    place: Callable[..., Placed],
) -> None:
    placed = [
        place(run_id="a", start_hours=0, end_hours=1),
        place(run_id="b", start_hours=0.1, end_hours=9),
        place(run_id="c", start_hours=0.2, end_hours=1),
        place(run_id="wide", start_hours=1, end_hours=2, devices=2),
    ]
    packed = pack(placed)
    assert packed.devices == 3
    assert [bar.device for bar in packed.bars if bar.run_id == "wide"] == [0, 2]


def test_devices_that_came_free_one_by_one_lie_side_by_side(place: Callable[..., Placed]) -> None:
    placed = [place(run_id=f"r{i}", start_hours=0, end_hours=1 + i / 10) for i in range(3)]
    placed.append(place(run_id="wide", start_hours=2, end_hours=3, devices=3))
    assert [bar.devices for bar in pack(placed).bars if bar.run_id == "wide"] == [3]


def test_a_run_of_no_length_holds_nobody_up(place: Callable[..., Placed]) -> None:
    placed = [
        place(run_id="a", start_hours=0, end_hours=0),
        place(run_id="b", start_hours=0, end_hours=1),
    ]
    assert pack(placed).devices == 1


def test_nothing_takes_no_devices() -> None:
    assert pack([]).devices == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_order_of_placements_does_not_matter(
    place: Callable[..., Placed], order: tuple[int, ...]
) -> None:
    placed = [place(run_id=f"r{i}", start_hours=i % 2, end_hours=i % 2 + 2) for i in range(3)]
    assert pack([placed[i] for i in order]) == pack(placed)
