"""Which of a study's changed settings move the names of runs, and which move none. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from orchestrator.errors import SweepError
from orchestrator.plan.budget import resolved
from orchestrator.plan.chain import Chains
from orchestrator.plan.memo import Memo
from orchestrator.spec.declared import Declaration, declarations, mixed
from orchestrator.spec.grid import check_size, points
from orchestrator.spec.study import Study

MOST_TRIED = 4
"""Changes that are tried one by one; each takes the expansion of two studies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A changed setting and what it does."""

    declaration: Declaration
    """The change."""
    moves: bool | None
    """Whether it adds, drops or renames a run; None where there were too many to try."""


def effects(
    one: Study, other: Study, *, moved: Collection[str], is_same: bool
) -> tuple[Effect, ...]:
    """Say of each changed setting whether it moves a run.

    A setting moves none if both studies keep their runs with the other's value in its place. What
    cannot be planned so does matter.

    Args:
        one: the study before.
        other: the study after.
        moved: places of settings in which runs and their counterparts differ.
        is_same: whether both studies have the same runs.
    """
    found = declarations(one, other)
    verdicts: dict[str, bool | None] = {each.place: False for each in found}
    if not is_same:
        doubtful = [each.place for each in found if not each.is_infrastructure]
        verdicts |= _verdicts(_Trial(one, other), doubtful, moved)
    return tuple(Effect(declaration=each, moves=verdicts[each.place]) for each in found)


def _verdicts(
    trial: "_Trial", doubtful: list[str], moved: Collection[str]
) -> dict[str, bool | None]:
    verdicts: dict[str, bool | None] = {}
    for place in doubtful:
        if len(doubtful) == 1 or _stage_place(place) in moved:
            verdicts[place] = True
    rest = [place for place in doubtful if place not in verdicts]
    if rest and trial.moves(rest):
        if len(rest) > MOST_TRIED:
            return verdicts | dict.fromkeys(rest)
        return verdicts | {place: len(rest) == 1 or trial.moves([place]) for place in rest}
    return verdicts | dict.fromkeys(rest, False)


def _stage_place(place: str) -> str:
    """Return the place of a model's own setting as that of the setting itself."""
    _, stages, rest = place.partition(".stages.")
    return f"stages.{rest}" if stages and place.startswith("models.") else place


class _Trial:
    """Plans two studies with some of each other's settings."""

    def __init__(self, one: Study, other: Study) -> None:
        self._one, self._other = one, other

    @cached_property
    def _names(self) -> tuple[frozenset[str], frozenset[str]]:
        return run_names(self._one), run_names(self._other)

    def moves(self, places: Collection[str]) -> bool:
        """Return whether either study gets other runs by the other's settings at some places."""
        try:
            return (
                run_names(mixed(self._one, self._other, places)) != self._names[0]
                or run_names(mixed(self._other, self._one, places)) != self._names[1]
            )
        except SweepError:
            return True


def run_names(study: Study) -> frozenset[str]:
    """Return the names of the runs that a study's points need.

    Raises:
        ConfigError: if a value is out of range, unknown or missing.
        PlanError: if valid values make no sensible plan.
    """
    check_size(study)
    memo = Memo()
    chains = Chains(study, memo)
    names: set[str] = set()
    for arm in study.arms:
        for point in points(study, arm):
            settings = resolved(point.settings, chains.model(point.settings).config, memo)
            names.update(run.run_id for run in chains.of(arm.stages, settings).runs)
    return frozenset(names)
