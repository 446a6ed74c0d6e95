"""Read a study's YAML into plain values: includes, interpolation, and values set from outside.

Nothing here knows what a study means. Every refusal names the file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError
from yaml.nodes import MappingNode, Node, SequenceNode

from orchestrator.errors import ConfigError
from orchestrator.spec.codec import Plain

MOST_VALUES = 100_000
"""Values of one file with its anchors written out; more are taken for a mistake or an attack."""

Tree = Mapping[str, Plain]
"""What a study file says."""


def read_tree(path: Path, overrides: tuple[str, ...] = ()) -> Tree:
    """Read a file, what it includes, and what is set from outside, the later winning.

    Args:
        path: the YAML file.
        overrides: `dotted.key=value` pairs that win over the file.

    Raises:
        ConfigError: if a file is missing, empty, no YAML, includes itself, or does not go together.
    """
    parts = _parts(path, ())
    try:
        values = OmegaConf.from_dotlist(list(overrides))
        merged = OmegaConf.merge(*parts, values) if overrides or len(parts) > 1 else parts[0]
        tree = OmegaConf.to_container(merged, resolve=True)
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise ConfigError(
            f"the study cannot be put together: {_first_line(error)}",
            where=str(path),
            mend="check interpolations (${...}), includes and --set key=value",
        ) from error
    return cast(Tree, tree)


def _parts(path: Path, outer: tuple[Path, ...]) -> list[DictConfig]:
    """Return the files that one stands on, then the file itself."""
    if path.resolve() in outer:
        names = [file.name for file in (*outer, path)]
        raise ConfigError(
            f"the file includes itself: {' -> '.join(names)}",
            where=str(path),
            mend="take one include out of the circle",
        )
    loaded = _load(path)
    included = cast(object, loaded.get("include", ()))
    names = [included] if isinstance(included, str) else cast(Sequence[object], included)
    parts: list[DictConfig] = []
    for name in names:
        if not isinstance(name, str):
            raise ConfigError(f"{name!r} is no file name", f"{path}: include", "give file names")
        parts += _parts(path.parent / name, (*outer, path.resolve()))
    return [*parts, loaded]


def _load(path: Path) -> DictConfig:
    try:
        text = path.read_text(encoding="utf-8")
        _check_anchors(text, path)
        loaded = OmegaConf.create(text)
    except FileNotFoundError as error:
        raise ConfigError("there is no such file", str(path), "give a study file") from error
    except OSError as error:
        raise ConfigError(
            f"the file cannot be read: {error.strerror}", str(path), "give a study file"
        ) from error
    except (OmegaConfBaseException, YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the file is not YAML: {_first_line(error)}", str(path), "mend the file's syntax"
        ) from error
    if not isinstance(loaded, DictConfig) or not loaded:
        raise ConfigError(
            "the file is empty or holds no keys",
            where=str(path),
            mend="declare study, models, stages and arms; sweeps/smoke.yaml is a small example",
        )
    return loaded


def _check_anchors(text: str, path: Path) -> None:
    """Refuse anchors that write out to more than a study can hold, before they are written out."""
    if "*" not in text:
        return
    root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    size = 0 if root is None else _size(root, {})
    if size > MOST_VALUES:
        raise ConfigError(
            f"the file's anchors (&name, *name) write out to {size:,} values, more than "
            f"{MOST_VALUES:,}",
            where=str(path),
            mend="write out what is meant, without anchors inside anchors",
        )


def _size(node: Node, known: dict[int, int]) -> int:
    """Count the values of a node with its anchors written out; an endless one is too large."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MOST_VALUES + 1  # while it is being counted, it contains itself
    children: list[Node] = []
    if isinstance(node, SequenceNode):
        children = cast(list[Node], node.value)
    if isinstance(node, MappingNode):
        children = [part for pair in cast(list[tuple[Node, Node]], node.value) for part in pair]
    known[id(node)] = 1 + sum(_size(child, known) for child in children)
    return known[id(node)]


def _first_line(error: Exception) -> str:
    """Say what a YAML or OmegaConf error says, with its line, and without its many other lines."""
    mark = getattr(error, "problem_mark", None)
    place = f" (line {mark.line + 1})" if mark is not None else ""
    problem = getattr(error, "problem", None) or str(error).strip().split("\n")[0]
    return f"{problem}{place}"
