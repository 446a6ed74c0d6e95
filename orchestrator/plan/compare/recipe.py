"""What a run is made of, its ancestors included: settings by dotted place. Pure.

Two runs are compared by their recipes, so that a difference is named where it comes from and not by
the `run_id` of a parent. What a stage takes over from its parent reads `INHERITED`, so that a
change of the parent is one difference and not one for each stage after it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from typing import Any, cast

from orchestrator.plan.compare.rate_words import rate_words
from orchestrator.plan.lineage import weight_parents
from orchestrator.plan.plan import PlannedRun
from orchestrator.spec.run import (
    STAGE_FUNCTIONS,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    Stage,
    TextPretrain,
    TowerPretrain,
)
from orchestrator.spec.schedule import Schedule
from orchestrator.spec.source import DataSource

Leaf = None | bool | int | float | str | tuple["Leaf", ...]
"""A value of a recipe; a tuple for a list, and for several parents that differ in it."""

INHERITED = "as its parent"
"""Value of a setting that a stage takes over from the run before it."""

_REFERENCES = frozenset({"parent", "trunk", "tower", "captions_from", "text_from", "members"})
"""Fields that hold `run_id`s."""

_TOP = {"model": "model", "vision": "encoder", "suite": "suite", "seed": "seed"}
"""Fields that a study declares outside its stages, and the place where they are shown."""

_TOWER = {"vision": "encoder"}
"""The same for the tower, which has a seed of its own."""

_TAKEN_OVER: dict[type, frozenset[str]] = {
    ImageTextPretrain: frozenset({"text", "val_text", "batch_tokens", "optimizer"}),
    Finetune: frozenset({"val_text", "val_captions"}),
}
"""Fields that a stage takes over from its parent, unless the study says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A setting in which two runs differ."""

    place: str
    """Dotted, such as `stages.finetune.learning_rate.peak`."""
    one: Leaf
    """Value in the first; None where the first has no such setting."""
    other: Leaf
    """Value in the second."""


def contrasts(one: Mapping[str, Leaf], other: Mapping[str, Leaf]) -> tuple[Contrast, ...]:
    """Return the settings in which two recipes differ, in the order of the recipes."""
    places = differing(one, other)
    if len(places) > 1:
        places = [place for place in {**one, **other} if place in places]
    return tuple(
        Contrast(place=place, one=one.get(place), other=other.get(place)) for place in places
    )


def differing(one: Mapping[str, Leaf], other: Mapping[str, Leaf]) -> Collection[str]:
    """Return the places in which two recipes differ, in no order."""
    return {place for place, _ in one.items() ^ other.items()}


def ancestors(run: PlannedRun) -> tuple[str, ...]:
    """Return the runs that a run's config names.

    A trunk's earlier segment is not among them: it is how the weights are reached, not what they
    are.
    """
    return () if isinstance(run.config, TextPretrain) else run.needs


class Recipes:
    """The recipes of a plan's runs, each put together when it is first asked for."""

    def __init__(self, runs: Iterable[PlannedRun]) -> None:
        self._runs = {run.run_id: run for run in runs}
        self._known: dict[str, Mapping[str, Leaf]] = {}
        self._parts: dict[tuple[str, int], tuple[object, dict[str, Leaf]]] = {}

    def of(self, run: PlannedRun) -> Mapping[str, Leaf]:
        """Return what decides a run's result, by dotted place; unset values are left out.

        Two runs of one plan and stage have equal recipes only if they are the same run.
        """
        known = self._known.get(run.run_id)
        if known is None:
            known = self._known[run.run_id] = self._new(run)
        return known

    def _new(self, run: PlannedRun) -> Mapping[str, Leaf]:
        parents = [self._runs[name] for name in ancestors(run)]
        began = weight_parents(run)  # a trunk's segment is none of `parents`
        own = self._own(run, self._runs[began[0]].config if parents and began else None)
        parts = [_beside(own, self.of(parent), parent) for parent in parents]
        return {**_joined(parts), **own}

    def _own(self, run: PlannedRun, parent: RunConfig | None) -> dict[str, Leaf]:
        """Return the settings of a run's own stage."""
        leaves: dict[str, Leaf] = {}
        config = run.config
        taken_over = _TAKEN_OVER.get(type(config), frozenset())
        for name in _names(type(config)):
            value = cast(object, getattr(config, name))
            place = f"stages.{run.stage}.{name}"
            if isinstance(value, Schedule):
                leaves |= _rates(f"stages.{run.stage}.learning_rate", config, parent)
            elif name in taken_over and parent and value == getattr(parent, name, None):
                leaves[place] = INHERITED
            elif isinstance(config, ImageTextPretrain) and name in ("text_start", "text_seed"):
                leaves |= _reading(name, config, parent)
            else:
                top = _TOWER if isinstance(config, TowerPretrain) else _TOP
                leaves |= self._flat(top.get(name, place), value)
        if run.function != STAGE_FUNCTIONS[run.stage]:
            leaves[f"functions.{run.stage}"] = run.function
        return {place: value for place, value in leaves.items() if value is not None}

    def _flat(self, place: str, value: object) -> dict[str, Leaf]:
        """Return the leaves of a value; what runs share is taken apart once."""
        if isinstance(value, int | float | str) or value is None:
            return _leaves(place, value)
        key = (place, id(value))
        if key not in self._parts:
            self._parts[key] = (value, _leaves(place, value))  # holds alive what id() names
        return self._parts[key][1]


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name not in _REFERENCES)


def _leaves(place: str, value: object) -> dict[str, Leaf]:
    if isinstance(value, StrEnum):
        return {place: value.value}
    if isinstance(value, int | float | str) or value is None:
        return {place: value}
    if isinstance(value, DataSource):
        return {place: value.name, f"data.{value.collection}.version": value.version}
    if isinstance(value, tuple):
        items = [_leaves(place, item) for item in cast(Sequence[object], value)]
        others = {key: leaf for item in items for key, leaf in item.items() if key != place}
        return {place: tuple(item[place] for item in items), **others}
    leaves: dict[str, Leaf] = {}
    for name in _names(type(value)):
        leaves |= _leaves(f"{place}.{name}", getattr(value, name))
    return leaves


def _rates(place: str, config: RunConfig, parent: RunConfig | None) -> dict[str, Leaf]:
    """Return the words of a schedule; where a branch goes on at its trunk's rate, it says so."""
    words: dict[str, Leaf] = {}
    match config:
        case TowerPretrain():
            length = config.steps * config.batch_images
            words |= rate_words(config.schedule, length=length, batch=config.batch_images)
        case TextPretrain():
            words |= rate_words(config.schedule, length=None, batch=config.batch_tokens)
            tokens = words.pop("length", None)
            return {"stages.text_pretrain.tokens": tokens} | _under(place, words)
        case ImageTextPretrain():
            words |= rate_words(config.schedule, length=config.tokens, batch=config.batch_tokens)
            first = "start" if "start" in words else "peak"
            if isinstance(parent, TextPretrain) and words[first] in _left_at(parent):
                words[first] = INHERITED
        case Finetune():
            length = config.examples * config.epochs
            words |= rate_words(config.schedule, length=length, batch=config.batch_examples)
        case _:
            pass
    return _under(place, words)


def _under(place: str, words: Mapping[str, Leaf]) -> dict[str, Leaf]:
    return {f"{place}.{name}": value for name, value in words.items()}


def _left_at(trunk: TextPretrain) -> tuple[float, float]:
    """Return the learning rate where a segment ends, before and in the step that would follow."""
    rate = trunk.schedule.learning_rate
    return rate(trunk.end_tokens, 0), rate(trunk.end_tokens, 1)


def _reading(name: str, branch: ImageTextPretrain, parent: RunConfig | None) -> dict[str, Leaf]:
    """Return how a branch reads text, where its trunk does not say so already."""
    trunk = parent if isinstance(parent, TextPretrain) else None
    if name == "text_seed":
        if trunk is None:
            return {"stages.text_pretrain.seed": branch.text_seed}
        expected = None if trunk.seed == branch.seed else trunk.seed
        value = branch.text_seed
    else:
        reads_on = trunk is not None and trunk.text == branch.text
        expected = trunk.end_tokens if trunk and reads_on else 0
        value = branch.text_start
    return {} if value == expected else {f"stages.{Stage.IMAGE_TEXT_PRETRAIN}.{name}": value}


def _beside(
    own: Mapping[str, Leaf], before: Mapping[str, Leaf], parent: PlannedRun
) -> dict[str, Leaf]:
    """Return a parent's recipe; what the run has otherwise is put under the parent's stage."""
    recipe = dict(before)
    for place, value in own.items():
        if before.get(place, value) != value:
            recipe[f"stages.{parent.stage}.{place}"] = recipe.pop(place)
    return recipe


def _joined(parts: Sequence[dict[str, Leaf]]) -> dict[str, Leaf]:
    """Return the recipes of several parents as one; where they differ, the values of all."""
    if len(parts) == 1:
        return parts[0]
    joined: dict[str, Leaf] = {}
    for place in dict.fromkeys(place for part in parts for place in part):
        values = tuple(part[place] for part in parts if place in part)
        joined[place] = values[0] if all(value == values[0] for value in values) else values
    return joined
