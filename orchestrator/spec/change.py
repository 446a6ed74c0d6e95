"""Put a value at a dotted place of a frozen settings tree. Pure."""

from dataclasses import dataclass, is_dataclass, replace
from typing import Any, TypeVar

from orchestrator.errors import ConfigError
from orchestrator.spec.codec import Plain, decode, type_hints

T = TypeVar("T")

SHORT_NAMES = {
    "text_tokens": "stages.text_pretrain.tokens",
    "image_text_tokens": "stages.image_text_pretrain.tokens",
    "image_ratio": "stages.image_text_pretrain.image_ratio",
    "learning_rate_rule": "stages.image_text_pretrain.learning_rate.rule",
    "epochs": "stages.finetune.epochs",
}
"""Axes that have a name of their own, and where their value lies in `Settings`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A value for one place."""

    path: str
    """Dotted place, or a short name."""
    value: Plain
    """What YAML gave; checked where it is put."""


def full_path(name: str) -> str:
    """Return the dotted place behind a short name; any other name is its own."""
    return SHORT_NAMES.get(name, name)


def changed(tree: T, path: str, value: object) -> T:
    """Return the tree with one value replaced, checked as if it had been read from the file.

    Raises:
        ConfigError: if the place does not exist or the value does not fit it.
    """
    try:
        return _changed(tree, full_path(path).split("."), value)
    except ConfigError as error:
        raise ConfigError(error.what, path, error.mend) from error


def value_at(tree: object, path: str) -> object:
    """Return the value at a dotted place, None where a stage on the way is not declared.

    Raises:
        ConfigError: if the place does not exist.
    """
    for name in full_path(path).split("."):
        if tree is None:
            return None
        _check_known(tree, name, path)
        tree = getattr(tree, name)
    return tree


def _changed(tree: Any, names: list[str], value: object) -> Any:
    _check_known(tree, names[0], ".".join(names))
    hint = _hint(tree, names[0])
    if len(names) == 1:
        return replace(tree, **{names[0]: decode(hint, value)})
    inner = getattr(tree, names[0])
    if inner is None:
        raise ConfigError(
            f"{names[0]} is not declared",
            where=names[0],
            mend=f"declare {names[0]} in the study before changing a value inside it",
        )
    return replace(tree, **{names[0]: _changed(inner, names[1:], value)})


def _hint(tree: object, name: str) -> Any:
    return type_hints(type(tree))[name]


def _check_known(tree: Any, name: str, path: str) -> None:
    known = type_hints(type(tree)) if is_dataclass(tree) else {}
    if name not in known:
        short = f"; short names: {', '.join(SHORT_NAMES)}" if "stages" in known else ""
        raise ConfigError(
            f"nothing here is called {name!r}",
            where=path,
            mend=f"known here: {', '.join(known) or 'no further keys'}{short}",
        )
