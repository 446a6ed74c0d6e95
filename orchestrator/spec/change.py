"""Put a value at a dotted place of a frozen settings tree. Pure."""

from dataclasses import dataclass, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar, get_args

from orchestrator.errors import ConfigError
from orchestrator.spec.codec import Plain, decode, type_hints

T = TypeVar("T")

SHORT_NAMES = {
    "text_tokens": "stages.text_pretrain.tokens",
    "image_text_tokens": "stages.image_text_pretrain.tokens",
    "image_ratio": "stages.image_text_pretrain.image_ratio",
    "instruction_ratio": "stages.image_text_pretrain.instruction_ratio",
    "captions": "stages.image_text_pretrain.captions",
    "keep": "stages.filter.keep",
    "learning_rate_rule": "stages.image_text_pretrain.learning_rate.rule",
    "instructions": "stages.finetune.instructions",
    "epochs": "stages.finetune.epochs",
    "soup": "stages.average.soup",
}
"""Axes that have a name of their own, and where their value lies in `Settings`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A value for one place."""

    path: str
    """Dotted place, or a short name."""
    value: Plain
    """What YAML gave; checked where it is put."""


_SHORT_OF = {place: name for name, place in SHORT_NAMES.items()}


def short_name(name: str) -> str:
    """Return what a place is called for short; its own name where it has no other."""
    return _SHORT_OF.get(name, name)


def full_path(name: str) -> str:
    """Return the dotted place behind a short name; any other name is its own."""
    return SHORT_NAMES.get(name, name)


def changed(tree: T, path: str, value: object) -> T:
    """Return the tree with one value replaced, checked as if it had been read from the file.

    Raises:
        ConfigError: if the place does not exist or the value does not fit it.
    """
    return put(tree, path, decoded(type(tree), path, value))


def decoded(kind: type, path: str, value: object) -> object:
    """Turn a plain value into what a place of a tree of this kind holds.

    Raises:
        ConfigError: if the place does not exist or the value does not fit it.
    """
    try:
        return decode(_hint(kind, full_path(path)), value)
    except ConfigError as error:
        raise ConfigError(error.what, path, error.mend) from error


def put(tree: T, path: str, value: object) -> T:
    """Return the tree with one value replaced by another of the right type.

    Raises:
        ConfigError: if a stage on the way is not declared, or values do not go together.
    """
    try:
        return _put(tree, full_path(path).split("."), value)
    except ConfigError as error:
        raise ConfigError(error.what, path, error.mend) from error


def value_at(tree: object, path: str) -> object:
    """Return the value at a dotted place, None where a stage on the way is not declared.

    Raises:
        ConfigError: if the place does not exist.
    """
    place = full_path(path)
    _hint(type(tree), place)
    for name in place.split("."):
        if tree is None:
            return None
        tree = getattr(tree, name)
    return tree


def _put(tree: Any, names: list[str], value: object) -> Any:
    if len(names) == 1:
        return replace(tree, **{names[0]: value})
    inner = getattr(tree, names[0])
    if inner is None:
        raise ConfigError(
            f"{names[0]} is not declared",
            where=names[0],
            mend=f"declare {names[0]} in the study before changing a value inside it",
        )
    return replace(tree, **{names[0]: _put(inner, names[1:], value)})


@cache
def _hint(kind: Any, path: str) -> Any:
    """Return the declared type at a dotted place; a stage that may be left out counts as there."""
    for name in path.split("."):
        members = [kind, *(member for member in get_args(kind) if is_dataclass(member))]
        kind = next((member for member in members if is_dataclass(member)), kind)
        _check_known(kind, name, path)
        kind = type_hints(kind)[name]
    return kind


def _check_known(kind: Any, name: str, path: str) -> None:
    known = type_hints(kind) if is_dataclass(kind) else {}
    if name not in known:
        short = f"; short names: {', '.join(SHORT_NAMES)}" if "stages" in known else ""
        raise ConfigError(
            f"nothing here is called {name!r}",
            where=path,
            mend=f"known here: {', '.join(known) or 'no further keys'}{short}",
        )
