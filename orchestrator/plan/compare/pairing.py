"""Find for each run of one plan its counterpart in another, and what differs. Pure.

Runs are compared by the settings that vary among them. Settings that always move together, such as
a model's width and depth, count as one. Counterparts agree in all but those that moved for every
run of their stage, or in the axes of the study, or in all settings but at most `MOST_OTHERS` more;
and always in half of them.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from orchestrator.plan.compare.recipe import Contrast, Leaf, Recipes, contrasts, differing
from orchestrator.plan.plan import PlannedRun
from orchestrator.spec.run import Stage

MOST_OTHERS = 2
"""Settings that counterparts may differ in beyond those that moved for every run."""

BUDGETS = ("text_tokens", "image_text_tokens")
"""Axes that follow from others: a change of the batch rounds them to other values."""

MOST_LOOKS = 200_000
"""Runs times combinations of settings that are looked at, for one number of settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A run and its counterpart."""

    one: PlannedRun
    """Of the first plan."""
    other: PlannedRun
    """Of the second, of the same stage."""
    contrasts: tuple[Contrast, ...]
    """Settings in which they differ, ancestors included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Runs of one plan that look for counterparts."""

    runs: tuple[PlannedRun, ...]
    """The runs, in the plan's order."""
    recipes: Recipes
    """The recipes of the whole plan."""


def paired(one: Side, other: Side) -> tuple[Pair, ...]:
    """Pair runs of one stage that differ in few settings, each at most once.

    The fewest differences come first; among equals the order of the plans decides.
    """
    return tuple(pair for stage in Stage for pair in _of_stage(stage, one, other))


def _of_stage(stage: Stage, one: Side, other: Side) -> Iterator[Pair]:
    """Pair the runs of one stage, in the order of the first side."""
    first = {run.run_id: one.recipes.of(run) for run in one.runs if run.stage is stage}
    second = {run.run_id: other.recipes.of(run) for run in other.runs if run.stage is stage}
    named = {run.run_id: run for run in (*one.runs, *other.runs) if run.stage is stage}
    matched = _Matching(first, second, named).matched() if first and second else {}
    for run in one.runs:
        name = matched.get(run.run_id)
        if name is not None:
            differ = contrasts(first[run.run_id], second[name])
            if 2 * len(differ) <= len(second[name]):
                yield Pair(one=run, other=named[name], contrasts=differ)


def _axes(run: PlannedRun) -> Hashable:
    return frozenset(axis for axis in run.axes if axis.name not in BUDGETS)


class _Matching:
    """Holds the runs of one stage that are still without a counterpart."""

    def __init__(
        self,
        ones: Mapping[str, Mapping[str, Leaf]],
        others: Mapping[str, Mapping[str, Leaf]],
        runs: Mapping[str, PlannedRun],
    ) -> None:
        self._ones, self._others, self._runs = dict(ones), dict(others), runs
        self._moved, self._rest = _telling(list(ones.values()), list(others.values()))

    def matched(self) -> dict[str, str]:
        """Return counterparts by name."""
        found = self._agreeing_in(self._rest) | self._match(lambda name, _: _axes(self._runs[name]))
        for number in range(1, min(MOST_OTHERS, len(self._rest)) + 1):
            ways = [way for way in combinations(self._rest, number) if self._is_likely(way)]
            if len(ways) * (len(self._ones) + len(self._others)) > MOST_LOOKS:
                break
            for ignored in ways:
                found |= self._agreeing_in([each for each in self._rest if each not in ignored])
        return found

    def _is_likely(self, way: tuple[str, ...]) -> bool:
        """Whether counterparts may differ in these; another model is enough by itself."""
        alone = len(way) + len(self._moved) == 1
        return alone or not any(place.startswith("model.") for place in way)

    def _agreeing_in(self, places: Sequence[str]) -> dict[str, str]:
        return self._match(lambda _, recipe: tuple(recipe.get(place) for place in places))

    def _match(self, key: Callable[[str, Mapping[str, Leaf]], Hashable]) -> dict[str, str]:
        """Pair, and take out, runs of the same key."""
        waiting: dict[Hashable, deque[str]] = {}
        for name, recipe in self._others.items():
            waiting.setdefault(key(name, recipe), deque()).append(name)
        found: dict[str, str] = {}
        for name, recipe in self._ones.items():
            there = waiting.get(key(name, recipe))
            if there:
                found[name] = there.popleft()
        for name, counterpart in found.items():
            del self._ones[name], self._others[counterpart]
        return found


def _telling(
    ones: Sequence[Mapping[str, Leaf]], others: Sequence[Mapping[str, Leaf]]
) -> tuple[list[str], list[str]]:
    """Return places that moved for every run, and those that tell runs apart; one of a group."""
    moved: dict[tuple[int, ...], str] = {}
    rest: dict[tuple[int, ...], str] = {}
    varying = {place for recipe in (*ones, *others) for place in differing(ones[0], recipe)}
    for place in sorted(varying):
        first = [recipe.get(place) for recipe in ones]
        second = [recipe.get(place) for recipe in others]
        numbers = {value: number for number, value in enumerate(dict.fromkeys([*first, *second]))}
        pattern = tuple(numbers[value] for value in (*first, *second))
        (rest if set(first) & set(second) else moved).setdefault(pattern, place)
    return list(moved.values()), list(rest.values())
