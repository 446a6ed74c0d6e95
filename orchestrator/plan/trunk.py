"""Share what trunks have in common: cut them where branches leave, train each prefix once. Pure.

Segments form a trie. One goes on from another if everything that decides the weights is equal up
to where the other ends: model, data, seed, optimizer, and the learning rate so far. So all points
of one trunk share it, and so do budgets of different length while their learning rates agree.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations

from orchestrator.spec.run import TextPretrain
from orchestrator.spec.schedule import Schedule

WORTH_SHARING = 20
"""Trunks that part are cut there if they share at least one part in so many of the shorter one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of a trunk, as the plan trains it."""

    run_id: str
    """Its name."""
    previous: str | None
    """The segment it goes on from; None at a trunk's root."""
    begin_tokens: int
    """Tokens seen where it begins."""
    trunk: int
    """Number of its root, in the order of the study."""


def partings(segments: Iterable[TextPretrain]) -> tuple[tuple[TextPretrain, TextPretrain], ...]:
    """Find where trunks part that nothing leaves there, so that they can be cut all the same.

    Args:
        segments: all segments of a study, in its order.

    Returns:
        New segments that end where two trunks part, each with one of the two.
    """
    families: dict[TextPretrain, list[TextPretrain]] = {}
    for config in segments:
        families.setdefault(_family(config), []).append(config)
    found: dict[TextPretrain, TextPretrain] = {}
    for family in families.values():
        for new, one in _common_starts(family).items():
            if new not in family and _is_worth_it(new, family):
                found[new] = one
    return tuple(found.items())


def _common_starts(family: list[TextPretrain]) -> dict[TextPretrain, TextPretrain]:
    """Return what any two of a family have in common, each with one of the two."""
    tips = {config.schedule: config for config in sorted(family, key=_end)}  # the longest
    starts: dict[TextPretrain, TextPretrain] = {}
    for one, other in combinations(tips.values(), 2):
        shared = one.schedule.common(other.schedule)
        shared = min(shared, one.end_tokens, other.end_tokens)
        shared -= shared % one.batch_tokens
        if shared:
            start = replace(one, end_tokens=shared, schedule=one.schedule.until(shared))
            starts.setdefault(start, one)
    return starts


def _is_worth_it(start: TextPretrain, family: list[TextPretrain]) -> bool:
    """Whether the shortest segment that begins with it owes it enough.

    That one only gets shorter as a study grows, so a cut that was made stays.
    """
    end = start.end_tokens
    beyond = (
        config.end_tokens
        for config in family
        if config.end_tokens > end and config.schedule.until(end) == start.schedule
    )
    return min(beyond) <= end * WORTH_SHARING


def _end(config: TextPretrain) -> int:
    return config.end_tokens


def cut_trunks(segments: Iterable[tuple[str, TextPretrain]]) -> dict[str, Segment]:
    """Find for each segment the nearest earlier one on the same trunk.

    Args:
        segments: names and configs of all segments, in the order of the study.

    Returns:
        Segments by name, in the same order.
    """
    families: dict[TextPretrain, list[tuple[str, TextPretrain]]] = {}
    named = list(segments)
    for rid, config in named:
        families.setdefault(_family(config), []).append((rid, config))
    parents: dict[str, tuple[str, int] | None] = {}
    for family in families.values():
        parents.update(_parents(family))
    roots: dict[str, int] = {}
    cut: dict[str, Segment] = {}
    for rid, _ in named:
        parent = parents[rid]
        cut[rid] = Segment(
            run_id=rid,
            previous=parent[0] if parent else None,
            begin_tokens=parent[1] if parent else 0,
            trunk=roots.setdefault(_root(rid, parents), len(roots)),
        )
    return cut


_NO_SCHEDULE = Schedule.flat(0.0)


def _family(config: TextPretrain) -> TextPretrain:
    """Return what all segments of possibly common trunks agree in."""
    return replace(config, end_tokens=config.batch_tokens, schedule=_NO_SCHEDULE)


def _parents(family: list[tuple[str, TextPretrain]]) -> dict[str, tuple[str, int] | None]:
    """Return each segment's nearest earlier one, with the tokens at which that ends."""
    at: dict[int, dict[Schedule, str]] = {}
    for rid, config in family:
        at.setdefault(config.end_tokens, {})[config.schedule] = rid
    ends = sorted(at, reverse=True)
    parents: dict[str, tuple[str, int] | None] = {}
    for rid, config in family:
        parents[rid] = None
        for end in ends[ends.index(config.end_tokens) + 1 :]:
            earlier = at[end].get(config.schedule.until(end))
            if earlier is not None:
                parents[rid] = (earlier, end)
                break
    return parents


def _root(rid: str, parents: dict[str, tuple[str, int] | None]) -> str:
    while (parent := parents[rid]) is not None:
        rid = parent[0]
    return rid
