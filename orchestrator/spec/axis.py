"""Axes: varied keys and the values they take. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast

from orchestrator.errors import ConfigError
from orchestrator.spec.codec import Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisList:
    """A varied key and the values it takes."""

    name: str
    """Short name or dotted place."""
    values: tuple[Plain, ...]
    """At least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisLists:
    """Several axes, written as a mapping from names to lists."""

    axes: tuple[AxisList, ...]
    """In the order of the file."""

    @classmethod
    def from_plain(cls, value: object) -> Self:
        """Read `{name: [value, ...], ...}`.

        Raises:
            ConfigError: if the value has another form or an axis no value.
        """
        if not isinstance(value, Mapping):
            raise ConfigError(f"{value!r} holds no axes", "", "give {axis: [value, ...]}")
        axes: list[AxisList] = []
        for name, values in cast(Mapping[str, object], value).items():
            if not isinstance(values, list) or not values:
                raise ConfigError(
                    f"axis {name} has no list of values", where=name, mend="give [a, b]"
                )
            axes.append(AxisList(name=name, values=tuple(cast(list[Plain], values))))
        return cls(axes=tuple(axes))
