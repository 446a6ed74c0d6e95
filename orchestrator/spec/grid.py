"""Expand an arm into the points of its grid. Pure."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.errors import ConfigError
from orchestrator.spec.change import Change, changed, full_path, value_at
from orchestrator.spec.codec import Plain
from orchestrator.spec.run import Stage
from orchestrator.spec.settings import Settings
from orchestrator.spec.study import Arm, AxisList, Study

_STAGE_OF_AXIS = {"encoder": Stage.IMAGE_TEXT_PRETRAIN}
"""Axes outside `stages` that only some stages use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of an arm's grid."""

    settings: Settings
    """Everything that holds there."""
    axes: tuple[str, ...]
    """The arm's axes, in the order of the file."""


def points(study: Study, arm: Arm) -> tuple[Point, ...]:
    """Expand an arm: the product of its axes, filtered by `where`, with overrides applied.

    Order of precedence, lowest first: the study's defaults, the model's own settings, the arm's
    `fixed`, the study's overrides, the arm's overrides, the arm's axes.

    Raises:
        ConfigError: if a value does not fit its place, or an axis changes nothing that the arm's
            stages use.
    """
    for axis in arm.axes:
        _check_used(arm, axis.name)
    names = tuple(axis.name for axis in arm.axes)
    expanded = tuple(
        Point(settings=settings, axes=names)
        for values in _combinations(arm)
        if _is_kept(arm, settings := _settings(study, arm, values))
    )
    if not expanded:
        raise ConfigError(
            f"arm {arm.name} has no point left", "where", "widen where, so that a point matches"
        )
    return expanded


def _combinations(arm: Arm) -> Iterator[tuple[Change, ...]]:
    """Yield the product of the axes, with zipped ones moving together."""
    zipped = {name for group in arm.zip for name in group}
    lists = {axis.name: axis.values for axis in arm.axes}
    groups = [tuple(group) for group in arm.zip]
    groups += [(axis.name,) for axis in arm.axes if axis.name not in zipped]
    for group in groups:
        _check_zip(group, lists)
    order = {axis.name: position for position, axis in enumerate(arm.axes)}
    groups.sort(key=lambda group: order[group[0]])
    moves = [list(zip(*(lists[name] for name in group), strict=True)) for group in groups]
    for choice in itertools.product(*moves):
        pairs = zip(groups, choice, strict=True)
        yield tuple(
            Change(path=name, value=value)
            for group, values in pairs
            for name, value in zip(group, values, strict=True)
        )


def _check_zip(group: tuple[str, ...], lists: dict[str, tuple[Plain, ...]]) -> None:
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


def _settings(study: Study, arm: Arm, values: tuple[Change, ...]) -> Settings:
    """Apply everything that holds at one combination of axis values."""
    settings = study.defaults
    settings = _apply(settings, arm.fixed, "fixed")
    settings = _apply(settings, values, "axes")
    model = next((model for model in study.models if model.name == settings.model), None)
    if model is None:
        known = ", ".join(model.name for model in study.models)
        raise ConfigError(
            f"model {settings.model!r} is not declared",
            where="axes.model",
            mend=f"choose one of the study's models ({known}) or declare it under models",
        )
    settings = _apply(settings, model.changes, f"models.{model.name}.stages")
    settings = _apply(settings, arm.fixed, "fixed")
    for override in (*study.override, *arm.override):
        if _matches(settings, override.when):
            settings = _apply(settings, override.set, "override")
    return _apply(settings, values, "axes")


def _apply(settings: Settings, changes: tuple[Change, ...], where: str) -> Settings:
    for change in changes:
        try:
            settings = changed(settings, change.path, change.value)
        except ConfigError as error:
            raise error.within(where) from error
    return settings


def _is_kept(arm: Arm, settings: Settings) -> bool:
    return not arm.where or any(_matches(settings, when) for when in arm.where)


def _matches(settings: Settings, when: tuple[AxisList, ...]) -> bool:
    return all(_has_value(settings, condition) for condition in when)


def _has_value(settings: Settings, condition: AxisList) -> bool:
    """Compare after the condition's values went through the same gate as the setting itself."""
    actual = value_at(settings, condition.name)
    candidates = (changed(settings, condition.name, value) for value in condition.values)
    return any(value_at(candidate, condition.name) == actual for candidate in candidates)


def _check_used(arm: Arm, axis: str) -> None:
    path = full_path(axis)
    stage = _STAGE_OF_AXIS.get(axis)
    if path.startswith("stages."):
        name = path.split(".")[1]
        stage = Stage(name) if name in list(Stage) else None
    is_tower = stage is Stage.TOWER_PRETRAIN and Stage.IMAGE_TEXT_PRETRAIN in arm.stages
    if stage is None or stage in arm.stages or is_tower:
        return
    raise ConfigError(
        f"axis {axis} belongs to {stage.value}, which arm {arm.name} does not go through",
        where=f"axes.{axis}",
        mend=f"remove the axis, or add {stage.value} to the arm's stages",
    )
