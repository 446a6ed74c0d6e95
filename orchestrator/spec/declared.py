"""What one study file declares otherwise than another, setting by setting. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar, cast

from orchestrator.spec.axis import AxisList, AxisLists
from orchestrator.spec.change import Change
from orchestrator.spec.codec import Plain
from orchestrator.spec.launch import ModelLayout
from orchestrator.spec.quantity import TokenBudget
from orchestrator.spec.source import DataSource
from orchestrator.spec.study import Collection as DataCollection
from orchestrator.spec.study import Study

T = TypeVar("T")

_UNSAID = frozenset({"defaults", "config", "parallelism", "changes"})
"""Fields of a study whose parts its YAML declares one level higher."""

_PAIRED = frozenset({"functions", "options"})
"""Fields that hold pairs of a name and a value."""

_STUDY = {"name": "study"}
"""Fields of a study that its YAML calls otherwise."""

_ORDER = " (order)"
"""Ends the place of things that only stand in another order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A place of a study file where two studies say different things."""

    place: str
    """Dotted, such as `models.79m.width` or `arms.timing.axes.epochs`."""
    one: Plain
    """What the first says; None where it says nothing."""
    other: Plain
    """What the second says."""

    @property
    def is_infrastructure(self) -> bool:
        """Whether it never enters a run's name, wherever it stands."""
        place = self.place
        return (
            place in ("study", "about")
            or place.startswith("launch")
            or place.endswith((".tokens_per_example", _ORDER))
            or (place.startswith("arms.") and place.endswith((".feeds", ".group")))
            or (place.startswith("data.") and place.endswith((".tokens", ".may_repeat")))
        )


def declarations(one: Study, other: Study) -> tuple[Declaration, ...]:
    """Return where two studies differ, in the order of the first."""
    return tuple(_differing("", one, other))


def mixed(one: Study, other: Study, places: Collection[str]) -> Study:
    """Return the first study, with what the second says at some places.

    Args:
        one: most of the result.
        other: gives the rest.
        places: those of `declarations(one, other)` that are wanted.

    Raises:
        ConfigError: if these do not go together.
    """
    study = _mixed("", one, other, places)
    versions = {collection.name: collection.version for collection in study.data}

    def known(source: DataSource) -> DataSource:
        return replace(source, version=versions.get(source.collection, source.version))

    suites = [
        replace(suite, data=known(suite.data), text=known(suite.text) if suite.text else None)
        for suite in study.suites
    ]
    return replace(study, suites=tuple(suites))


def _differing(at: str, one: object, other: object) -> Iterator[Declaration]:
    if isinstance(one, DataSource) and isinstance(other, DataSource):
        one, other = one.name, other.name  # the version is declared under data
    if one == other:
        return
    mine, yours = _items(at, one), _items(at, other)
    if _is_group(one) and type(one) is type(other):
        for name in _fields(one):
            yield from _differing(_place(at, name), getattr(one, name), getattr(other, name))
    elif mine is not None and yours is not None:
        yield from _differing_items(at, mine, yours)
    else:
        yield Declaration(place=at, one=_plain(one), other=_plain(other))


def _differing_items(
    at: str, mine: Mapping[str, object], yours: Mapping[str, object]
) -> Iterator[Declaration]:
    for place in {**mine, **yours}:
        one, other = (_value(at, items.get(place)) for items in (mine, yours))
        if place in mine and place in yours:
            yield from _differing(place, one, other)
        else:
            yield Declaration(place=place, one=_plain(one), other=_plain(other))
    if list(mine) != list(yours) and set(mine) == set(yours):
        one, other = (
            ", ".join(place.removeprefix(f"{at}.") for place in items) for items in (mine, yours)
        )
        yield Declaration(place=f"{at}{_ORDER}", one=one, other=other)


def _mixed(at: str, one: T, other: T, places: Collection[str]) -> T:
    if at in places:
        return other
    if at and not any(place.startswith(f"{at}.") for place in places):
        return one
    if isinstance(one, DataCollection) and one.recipe is not None:
        return other  # its version follows from its options
    mine, yours = _items(at, one), _items(at, other)
    if mine is not None and yours is not None:
        items = [
            _mixed(place, item, yours.get(place, item), places)
            for place, item in mine.items()
            if place in yours or place not in places
        ]
        new = [item for place, item in yours.items() if place in places and place not in mine]
        return cast(T, (*items, *new))
    if not _is_group(one):
        return one
    changed = {
        name: _mixed(_place(at, name), getattr(one, name), getattr(other, name), places)
        for name in _fields(one)
    }
    return cast(T, replace(cast(Any, one), **changed))


def _is_group(value: object) -> bool:
    """Whether a value's fields are declared one by one."""
    whole = (TokenBudget, AxisLists, AxisList, Change, DataSource)
    return is_dataclass(value) and not isinstance(value, (type, *whole))


def _fields(value: object) -> list[str]:
    """Return the fields that are declared; the version of made data follows from its options."""
    is_made = isinstance(value, DataCollection) and value.recipe is not None
    names = [field.name for field in fields(cast(Any, value))]
    return [name for name in names if not (is_made and name == "version")]


def _place(at: str, name: str) -> str:
    if name in _UNSAID:
        return at
    return f"{at}.{name}" if at else _STUDY.get(name, name)


def _items(at: str, value: object) -> dict[str, object] | None:
    """Return the items of a list by place; None for anything without named items."""
    if not isinstance(value, tuple):
        return None
    items = cast(tuple[object, ...], value)
    names = [_name(at, item) for item in items]
    if None in names:
        return None
    return {f"{at}.{name}": item for name, item in zip(names, items, strict=True)}


def _holds_pairs(at: str) -> bool:
    return at.rpartition(".")[2] in _PAIRED


def _name(at: str, item: object) -> str | None:
    if _holds_pairs(at):
        return str(cast(tuple[object, object], item)[0])
    if isinstance(item, Change):
        return item.path
    name = item.model if isinstance(item, ModelLayout) else getattr(item, "name", None)
    return name if isinstance(name, str) else None


def _value(at: str, item: object) -> object:
    return cast(tuple[object, object], item)[1] if item and _holds_pairs(at) else item


def _plain(value: object) -> Plain:
    """Return a declared value as JSON holds it, close to how a study file writes it."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, TokenBudget):
        return _budget(value)
    if isinstance(value, DataSource):
        return value.name
    if isinstance(value, AxisLists):
        return _plain(value.axes)
    if isinstance(value, AxisList | Change):
        return _plain(value.values if isinstance(value, AxisList) else value.value)
    if isinstance(value, tuple | list):
        items = cast(tuple[object, ...], value)
        if items and all(isinstance(item, AxisList | Change) for item in items):
            return {str(_name("", item)): _plain(item) for item in items}
        return [_plain(item) for item in items]
    if is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in fields(value)}
        defaults = {field.name: field.default for field in fields(value)}
        return {name: _plain(item) for name, item in own.items() if item != defaults[name]}
    return cast(Plain, value)


def _budget(budget: TokenBudget) -> Plain:
    if budget.per_param is not None:
        return f"{budget.per_param:.12g}x"
    if budget.flops is not None:
        return f"{budget.flops:.12g} FLOP"
    if budget.tokens is None or not budget.is_round:
        return budget.tokens
    for suffix, size in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if budget.tokens >= size:
            return f"{(Decimal(budget.tokens) / size).normalize():f}{suffix}"
    return str(budget.tokens)
