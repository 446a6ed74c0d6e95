"""Between plain values (from YAML and JSON) and the frozen dataclasses of this package. Pure.

`decode` is the one gate for what people write: unknown keys, wrong types and missing values are
refused with their place. `encode` is its inverse and the base of every `run_id`: it writes one
type per field and refuses what it could not write the same way twice.
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Protocol, Self, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from orchestrator.errors import ConfigError
from orchestrator.spec.quantity import parse_count, parse_share

T = TypeVar("T")
_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}
Scalar = bool | int | float | str
"""A single value."""
Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""What JSON can hold."""


class FromPlain(Protocol):
    """A dataclass that people write in a form of its own, such as `28B`."""

    @classmethod
    def from_plain(cls, value: object) -> Self:
        """Read that form.

        Raises:
            ConfigError: if the value has another form.
        """
        ...


def decode(kind: type[T], value: object, where: str = "") -> T:
    """Turn plain values into `kind`, a dataclass of this package.

    Args:
        kind: a dataclass, enum, `int`, `float`, `bool`, `str`, or tuple or optional of these.
        value: what YAML or JSON gave.
        where: dotted path of `value`, for messages.

    Raises:
        ConfigError: for an unknown or missing key, a wrong type or a value out of range.
    """
    return cast(T, _decode(kind, value, where))


def encode(value: object) -> Plain:
    """Turn a dataclass into plain values, with one type per declared field.

    Raises:
        TypeError: for a value that has no canonical form.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [encode(item) for item in cast(tuple[object, ...], value)]
    if isinstance(value, str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {
            name: _encode_as(is_float, getattr(value, name))
            for name, is_float in float_fields(type(value))
        }
    raise TypeError(f"{value!r} of type {type(value).__name__} has no canonical form")


@cache
def type_hints(kind: type) -> dict[str, Any]:
    """Return a dataclass's field types, resolved once per process."""
    return get_type_hints(kind)


@cache
def float_fields(kind: type) -> tuple[tuple[str, bool], ...]:
    """Return each field's name and whether it is declared float, and not also a whole number."""
    hints = type_hints(kind)
    return tuple((name, _only_float(hint)) for name, hint in hints.items())


def _only_float(hint: Any) -> bool:
    members = get_args(hint) if _is_union(hint) else (hint,)
    return float in members and int not in members


def _encode_as(is_float: bool, value: object) -> Plain:  # noqa: FBT001  (of the declared field)
    """Encode, so that the int 0 in a field declared float is written 0.0, always."""
    if is_float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return encode(value)


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _decode(kind: Any, value: object, where: str) -> object:
    if _is_union(kind):
        return _decode_union(kind, value, where)
    if get_origin(kind) is tuple:
        return _decode_tuple(kind, value, where)
    if isinstance(kind, type) and is_dataclass(kind):
        if isinstance(value, kind):
            return value
        if hasattr(kind, "from_plain"):
            return _decode_own(cast(type[FromPlain], kind), value, where)
        return _decode_dataclass(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _decode_enum(kind, value, where)
    return _decode_scalar(kind, value, where)


def _decode_union(kind: Any, value: object, where: str) -> object:
    members = [member for member in get_args(kind) if member is not type(None)]
    if value is None and len(members) < len(get_args(kind)):
        return None
    if len(members) == 1:
        return _decode(members[0], value, where)
    for member in members:  # a union of scalars: the first that takes the value as it is
        if type(value) is member:
            return value
    raise _wrong_type(" or ".join(_WORDS[member] for member in members), value, where)


def _decode_tuple(kind: Any, value: object, where: str) -> object:
    if not isinstance(value, list | tuple):
        raise _wrong_type("a list", value, where)
    values = cast(Sequence[object], value)
    items = get_args(kind)
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_decode(items[0], item, f"{where}[{i}]") for i, item in enumerate(values))
    if len(items) != len(values):
        raise _wrong_type(f"a list of {len(items)} values", values, where)
    pairs = zip(items, values, strict=True)
    return tuple(_decode(item, member, f"{where}[{i}]") for i, (item, member) in enumerate(pairs))


def _decode_own(kind: type[FromPlain], value: object, where: str) -> object:
    try:
        return kind.from_plain(value)
    except ConfigError as error:
        raise ConfigError(error.what, _join(where, error.where), error.mend) from error


def _decode_dataclass(kind: type, value: object, where: str) -> object:
    if not isinstance(value, Mapping):
        raise _wrong_type("a mapping of keys to values", value, where)
    given = cast(Mapping[str, object], value)
    known: dict[str, Field[Any]] = {field.name: field for field in fields(kind) if field.init}
    for key in given:
        if key not in known:
            raise ConfigError(
                f"unknown key {key!r}",
                where=_join(where, str(key)),
                mend=f"known keys here: {', '.join(known)}",
            )
    for name, field in known.items():
        required = field.default is MISSING and field.default_factory is MISSING
        if required and name not in given:
            raise ConfigError(
                f"{name} is missing", where=_join(where, name), mend=f"add {name}: {_hint(field)}"
            )
    hints = type_hints(kind)
    values = {key: _decode(hints[key], item, _join(where, key)) for key, item in given.items()}
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(error.what, _join(where, error.where), error.mend) from error


def _decode_enum(kind: type[StrEnum], value: object, where: str) -> StrEnum:
    words = [member.value for member in kind]
    if isinstance(value, str) and value in words:
        return kind(value)
    raise ConfigError(f"{value!r} is not known here", where, f"choose one of: {', '.join(words)}")


def _decode_scalar(kind: Any, value: object, where: str) -> object:
    if isinstance(value, bool):
        if kind is bool:
            return value
        raise _wrong_type(_WORDS[kind], value, where)
    try:
        if kind is int and isinstance(value, str):
            return parse_count(value)
        if kind is float and isinstance(value, str):
            return parse_share(value)
    except ConfigError as error:
        raise error.within(where) from error
    if kind is float and isinstance(value, int | float):
        return float(value)
    if kind in (int, str) and type(value) is kind:
        return value
    raise _wrong_type(_WORDS[kind], value, where)


def _wrong_type(expected: str, value: object, where: str) -> ConfigError:
    return ConfigError(
        f"{value!r} is {_kind_of(value)}, not {expected}", where=where, mend=f"give {expected}"
    )


def _kind_of(value: object) -> str:
    if value is None:
        return "empty"
    for kind, words in _WORDS.items():
        if type(value) is kind:
            return words
    return "a mapping" if isinstance(value, Mapping) else "a list"


def _hint(field: Field[Any]) -> str:
    return str(field.type).replace("orchestrator.spec.", "")


def _join(outer: str, inner: str) -> str:
    return ".".join(part for part in (outer, inner) if part)
