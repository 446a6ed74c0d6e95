"""Expand an arm into the points of its grid. Pure."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.errors import ConfigError
from orchestrator.spec.axis import AxisList
from orchestrator.spec.change import Change, changed, decoded, full_path, put, value_at
from orchestrator.spec.run import Stage
from orchestrator.spec.settings import Settings
from orchestrator.spec.study import Arm, Override, Study

MOST_POINTS = 1_000_000
"""Points of one study; more are taken for a mistake and refused before they are expanded."""

_STAGE_OF_AXIS = {"encoder": Stage.IMAGE_TEXT_PRETRAIN}
"""Axes outside `stages` that only some stages use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of an arm's grid."""

    settings: Settings
    """Everything that holds there."""
    axes: tuple[str, ...]
    """The arm's axes, in the order of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """Axes that move together, and what they hold at each step."""

    names: tuple[str, ...]
    values: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """An override with its values checked once, for all points."""

    when: tuple[tuple[str, tuple[object, ...]], ...]
    set: tuple[tuple[str, object], ...]


def check_size(study: Study) -> None:
    """Refuse a study whose product of axes is out of all proportion.

    Raises:
        ConfigError: naming the arm, its points and its longest axis.
    """
    sizes = {arm.name: _size(arm) for arm in study.arms}
    if sum(sizes.values()) <= MOST_POINTS:
        return
    arm = max(study.arms, key=lambda arm: sizes[arm.name])
    longest = max(arm.axes, key=lambda axis: len(axis.values))
    lengths = " x ".join(f"{len(axis.values):,} {axis.name}" for axis in arm.axes)
    raise ConfigError(
        f"arm {arm.name} has {sizes[arm.name]:,} points ({lengths}); a study may have "
        f"{MOST_POINTS:,}",
        where=f"arms.{arm.name}.axes.{longest.name}",
        mend=f"shorten its longest axis, {longest.name}, or zip axes that move together",
    )


def _size(arm: Arm) -> int:
    lengths = {axis.name: len(axis.values) for axis in arm.axes}
    for group in arm.zip:
        for name in group[1:]:
            lengths[name] = 1
    return math.prod(lengths.values())


def points(study: Study, arm: Arm) -> tuple[Point, ...]:
    """Expand an arm: the product of its axes, filtered by `where`, with overrides applied.

    Order of precedence, lowest first: the study's defaults, the model's own settings, the arm's
    `fixed`, the study's overrides, the arm's overrides, the arm's axes.

    Raises:
        ConfigError: if a value does not fit its place or stands twice, overrides contradict each
            other, or an axis changes nothing that the arm's stages use.
    """
    expanded = tuple(_Expansion(study, arm).points())
    if not expanded:
        raise ConfigError(
            f"arm {arm.name} has no point left", "where", "widen where, so that a point matches"
        )
    return expanded


class _Expansion:
    """Holds the settings of the last point, so that the next changes only what moves."""

    def __init__(self, study: Study, arm: Arm) -> None:
        for axis in arm.axes:
            _check_used(arm, axis.name)
        self._study, self._arm = study, arm
        self._moves = _moves(arm)
        self._names = tuple(name for move in self._moves for name in move.names)
        self._where = tuple(_conditions(when, "where") for when in arm.where)
        self._rules = (_rules(study.override, self._names), _rules(arm.override, self._names))
        self._bases: dict[str | None, Settings] = {}

    def points(self) -> Iterator[Point]:
        axes = tuple(axis.name for axis in self._arm.axes)
        applied: list[tuple[object, Settings]] = []  # what each axis held, and the settings after
        base = None
        for choice in itertools.product(*(move.values for move in self._moves)):
            values = tuple(itertools.chain.from_iterable(choice))
            if base is not (base := self._base(values)):
                applied.clear()
            settings = self._walk(base, values, applied)
            if self._where and not any(_matches(settings, when) for when in self._where):
                continue
            for rules in self._rules:
                settings = _overridden(settings, rules)
            yield Point(settings=settings, axes=axes)

    def _walk(
        self, base: Settings, values: tuple[object, ...], applied: list[tuple[object, Settings]]
    ) -> Settings:
        """Put the axes' values in their places, from the first one on that has moved."""
        same = 0
        while same < len(applied) and applied[same][0] is values[same]:
            same += 1
        del applied[same:]
        settings = applied[-1][1] if applied else base
        for name, value in zip(self._names[same:], values[same:], strict=True):
            settings = _put(settings, name, value, "axes")
            applied.append((value, settings))
        return settings

    def _base(self, values: tuple[object, ...]) -> Settings:
        """Return what holds before the axes: defaults, the model's own settings, `fixed`."""
        named = dict(zip(self._names, values, strict=True)).get("model")
        name = named if isinstance(named, str) else None
        if name not in self._bases:
            self._bases[name] = self._new_base(name)
        return self._bases[name]

    def _new_base(self, name: str | None) -> Settings:
        settings = _apply(self._study.defaults, self._arm.fixed, "fixed")
        name = name or settings.model
        model = next((model for model in self._study.models if model.name == name), None)
        if model is None:
            known = ", ".join(model.name for model in self._study.models)
            raise ConfigError(
                f"model {name!r} is not declared",
                where="axes.model",
                mend=f"choose one of the study's models ({known}) or declare it under models",
            )
        settings = _apply(self._study.defaults, model.changes, f"models.{model.name}.stages")
        return _apply(settings, self._arm.fixed, "fixed")


def _moves(arm: Arm) -> list[_Move]:
    """Group the axes by what moves together, with their values checked."""
    zipped = {name for group in arm.zip for name in group}
    lists = {axis.name: _values(axis) for axis in arm.axes}
    groups = [tuple(group) for group in arm.zip]
    groups += [(axis.name,) for axis in arm.axes if axis.name not in zipped]
    for group in groups:
        _check_zip(group, lists)
    order = {axis.name: position for position, axis in enumerate(arm.axes)}
    groups.sort(key=lambda group: order[group[0]])
    moves: list[_Move] = []
    for group in groups:
        steps = tuple(zip(*(lists[name] for name in group), strict=True))
        for step in steps:
            if steps.count(step) > 1:
                shown = ", ".join(
                    f"{name} {value}" for name, value in zip(group, step, strict=True)
                )
                raise ConfigError(
                    f"{shown} stands twice", f"axes.{group[0]}", "list each value once"
                )
        moves.append(_Move(names=group, values=steps))
    return moves


def _values(axis: AxisList) -> tuple[object, ...]:
    try:
        return tuple(decoded(Settings, axis.name, value) for value in axis.values)
    except ConfigError as error:
        raise error.within("axes") from error


def _check_zip(group: tuple[str, ...], lists: dict[str, tuple[object, ...]]) -> None:
    for name in group:
        if name not in lists:
            raise ConfigError(
                f"zip names {name}, which is no axis of this arm",
                where="zip",
                mend=f"name axes of the arm: {', '.join(lists)}",
            )
    lengths = {name: len(lists[name]) for name in group}
    if len(set(lengths.values())) > 1:
        raise ConfigError(
            f"zipped axes have different lengths: {lengths}",
            where="zip",
            mend="give zipped axes the same number of values",
        )


def _rules(overrides: tuple[Override, ...], axes: tuple[str, ...]) -> tuple[_Rule, ...]:
    """Check the overrides' values; what an axis says, no override changes."""
    places = {full_path(name) for name in axes}
    return tuple(
        _Rule(
            when=_conditions(override.when, "override"),
            set=tuple(
                (change.path, _decoded(change, "override"))
                for change in override.set
                if full_path(change.path) not in places
            ),
        )
        for override in overrides
    )


def _conditions(
    when: tuple[AxisList, ...], where: str
) -> tuple[tuple[str, tuple[object, ...]], ...]:
    """Read conditions: places, and the values of which each must hold one."""
    return tuple(
        (
            condition.name,
            tuple(
                _decoded(Change(path=condition.name, value=value), where)
                for value in condition.values
            ),
        )
        for condition in when
    )


def _decoded(change: Change, where: str) -> object:
    try:
        return decoded(Settings, change.path, change.value)
    except ConfigError as error:
        raise error.within(where) from error


def _overridden(settings: Settings, rules: tuple[_Rule, ...]) -> Settings:
    """Apply the rules that match, each to what the ones before it left.

    Raises:
        ConfigError: if two of them give one place different values.
    """
    given: dict[str, object] = {}
    for rule in rules:
        if not _matches(settings, rule.when):
            continue
        for path, value in rule.set:
            place = full_path(path)
            if given.setdefault(place, value) != value:
                raise ConfigError(
                    f"two overrides that hold at once set {path}: to {given[place]} and {value}",
                    where="override",
                    mend="narrow `when` of one of them, so that only one holds",
                )
            settings = _put(settings, path, value, "override")
    return settings


def _matches(settings: Settings, when: tuple[tuple[str, tuple[object, ...]], ...]) -> bool:
    return all(value_at(settings, name) in values for name, values in when)


def _apply(settings: Settings, changes: tuple[Change, ...], where: str) -> Settings:
    for change in changes:
        try:
            settings = changed(settings, change.path, change.value)
        except ConfigError as error:
            raise error.within(where) from error
    return settings


def _put(settings: Settings, path: str, value: object, where: str) -> Settings:
    try:
        return put(settings, path, value)
    except ConfigError as error:
        raise error.within(where) from error


def _check_used(arm: Arm, axis: str) -> None:
    path = full_path(axis)
    stage = _STAGE_OF_AXIS.get(axis)
    if path.startswith("stages."):
        name = path.split(".")[1]
        stage = Stage(name) if name in list(Stage) else None
    goes_without_saying = stage in (Stage.TOWER_PRETRAIN, Stage.FILTER)
    is_implied = goes_without_saying and Stage.IMAGE_TEXT_PRETRAIN in arm.stages
    if stage is None or stage in arm.stages or is_implied:
        return
    raise ConfigError(
        f"axis {axis} belongs to {stage.value}, which arm {arm.name} does not go through",
        where=f"axes.{axis}",
        mend=f"remove the axis, or add {stage.value} to the arm's stages",
    )
