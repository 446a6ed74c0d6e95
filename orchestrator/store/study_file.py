"""Read a study from its YAML file: the one place where plain YAML becomes typed values.

Every refusal names the file and the key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from orchestrator.errors import ConfigError, SweepError
from orchestrator.spec.axis import AxisList
from orchestrator.spec.change import Change
from orchestrator.spec.codec import Plain, Scalar, decode
from orchestrator.spec.identity import digest
from orchestrator.spec.launch import Keep, Launch, ModelLayout, Tracking
from orchestrator.spec.model import ModelConfig, VisionConfig
from orchestrator.spec.parallel import Parallelism
from orchestrator.spec.presets import PRESETS
from orchestrator.spec.run import STAGE_FUNCTIONS, Stage
from orchestrator.spec.settings import Settings, StageSettings
from orchestrator.spec.study import (
    MODEL_STAGES,
    Arm,
    Collection,
    NamedEncoder,
    NamedModel,
    Override,
    Study,
)
from orchestrator.spec.suite import SuiteConfig
from orchestrator.store.study_tree import Tree, read_tree

KEYS = (
    "study",
    "about",
    "include",
    "seed",
    "encoder",
    "presets",
    "models",
    "encoders",
    "data",
    "stages",
    "suites",
    "override",
    "functions",
    "launch",
    "arms",
)
"""What a study file may say."""

ARM_KEYS = ("parent", "axes", "fixed", "zip", "where", "override", "feeds", "stages", "group")
"""What an arm may say."""

RESERVED = ("data", "published")
"""Folders below `results/` that belong to no study."""


def load_study(path: Path, overrides: tuple[str, ...] = ()) -> Study:
    """Read a study.

    Args:
        path: the YAML file.
        overrides: `dotted.key=value` pairs that win over the file.

    Raises:
        ConfigError: if the file is missing, empty, no YAML, or says something that does not hold.
    """
    tree = read_tree(path, overrides)
    try:
        return _study(tree)
    except SweepError as error:
        raise error.within(str(path)) from error


def _study(tree: Tree) -> Study:
    _check_keys(tree, KEYS, "")
    data = tuple(_collection(name, item) for name, item in _named(tree, "data"))
    versions = {collection.name: collection.version for collection in data}
    functions = {**STAGE_FUNCTIONS, **_functions(tree)}
    return Study(
        name=_name(tree),
        about=decode(str, tree.get("about", ""), "about").strip(),
        models=tuple(_model(name, item, tree) for name, item in _named(tree, "models")),
        encoders=tuple(
            NamedEncoder(name=name, config=decode(VisionConfig, item, f"encoders.{name}"))
            for name, item in _named(tree, "encoders")
        ),
        suites=tuple(_suite(name, item, versions) for name, item in _named(tree, "suites")),
        data=data,
        defaults=Settings(
            stages=decode(StageSettings, tree.get("stages", {}), "stages"),
            encoder=decode(str, tree["encoder"], "encoder") if "encoder" in tree else None,
            seed=decode(int, tree.get("seed", 0), "seed"),
        ),
        override=_overrides(tree.get("override", []), "override"),
        functions=tuple(functions.items()),
        launch=_launch(tree),
        arms=_arms(tree),
    )


def _name(tree: Tree) -> str:
    name = decode(str, tree.get("study", ""), "study")
    if not name or not name.replace("_", "").replace("-", "").isalnum():
        raise ConfigError(
            f"study is {name!r}, not a name",
            where="study",
            mend="give a name of letters, digits, - and _: its results folder is called so",
        )
    if name in RESERVED:
        raise ConfigError(
            f"study is {name!r}, the name of a folder that lies beside the studies'",
            where="study",
            mend="choose another name",
        )
    return name


def _functions(tree: Tree) -> dict[Stage, str]:
    return {
        decode(Stage, name, "functions"): decode(str, item, f"functions.{name}")
        for name, item in _named(tree, "functions")
    }


def _model(name: str, item: Plain, tree: Tree) -> NamedModel:
    where = f"models.{name}"
    given = dict(_mapping(item, where))
    changes = _changes(given.pop("stages", {}), "stages", f"{where}.stages")
    preset = given.pop("preset", None)
    base: dict[str, Plain] = {}
    if preset is not None:
        base = _preset(decode(str, preset, f"{where}.preset"), tree, f"{where}.preset")
    return NamedModel(
        name=name, config=decode(ModelConfig, {**base, **given}, where), changes=changes
    )


def _preset(name: str, tree: Tree, where: str) -> dict[str, Plain]:
    own = dict(_named(tree, "presets"))
    if name in own:
        return dict(_mapping(own[name], f"presets.{name}"))
    if name in PRESETS:
        model = PRESETS[name]
        return {field.name: getattr(model, field.name) for field in fields(model)}
    raise ConfigError(
        f"preset {name!r} is not known",
        where=where,
        mend=f"choose one of: {', '.join([*own, *PRESETS])}",
    )


def _suite(name: str, item: Plain, versions: Mapping[str, str]) -> SuiteConfig:
    where = f"suites.{name}"
    given = dict(_mapping(item, where))
    for key in ("data", "text"):
        if key == "data" or given.get(key) is not None:
            given[key] = _source(given.get(key, ""), versions, f"{where}.{key}")
    return decode(SuiteConfig, {"name": name, **given}, where)


def _source(name: Plain, versions: Mapping[str, str], where: str) -> Plain:
    source = decode(str, name, where)
    collection = source.partition("/")[0]
    if collection not in versions:
        raise ConfigError(
            f"data collection {collection!r} is not declared",
            where=where,
            mend=f"name a part of: {', '.join(versions) or 'a collection under data'}",
        )
    return {"name": source, "version": versions[collection]}


def _collection(name: str, item: Plain) -> Collection:
    where = f"data.{name}"
    given = dict(_mapping(item, where))
    if "recipe" not in given:
        _check_keys(given, ("version", "tokens", "may_repeat"), where)
        return decode(Collection, {"name": name, **given}, where)
    recipe = decode(str, given.pop("recipe"), f"{where}.recipe")
    options = tuple(sorted((key, _scalar(value, f"{where}.{key}")) for key, value in given.items()))
    version = digest({"recipe": recipe, "options": dict(options)})
    return Collection(name=name, version=version, recipe=recipe, options=options)


def _scalar(value: Plain, where: str) -> Scalar:
    if isinstance(value, bool | int | float | str):
        return value
    raise ConfigError(f"{value!r} is no single value", where, "give a number or a word")


def _launch(tree: Tree) -> Launch:
    given = dict(_named(tree, "launch"))
    _check_keys(given, ("profile", "layouts", "tracking", "keep"), "launch")
    profile = given.get("profile")
    layouts = _mapping(given.get("layouts", {}), "launch.layouts")
    known = [name for name, _ in _named(tree, "models")]
    _check_keys(layouts, known, "launch.layouts")
    return Launch(
        profile=None if profile is None else decode(str, profile, "launch.profile"),
        layouts=tuple(
            ModelLayout(model=name, parallelism=decode(Parallelism, item, f"launch.layouts.{name}"))
            for name, item in layouts.items()
        ),
        tracking=decode(Tracking, given.get("tracking", Tracking.OFF.value), "launch.tracking"),
        keep=decode(Keep, given.get("keep", Keep.MILESTONES.value), "launch.keep"),
    )


def _arms(tree: Tree) -> tuple[Arm, ...]:
    declared = {name: _mapping(item, f"arms.{name}") for name, item in _named(tree, "arms")}
    if not declared:
        raise ConfigError("the study has no arm", "arms", "declare at least one arm with its axes")
    return tuple(_arm(name, _with_parent(name, declared, ())) for name in declared)


def _with_parent(name: str, declared: Mapping[str, Tree], below: tuple[str, ...]) -> Tree:
    """Return an arm on top of the one it stands on: its keys win, its overrides come later.

    What an arm feeds is its own.
    """
    own = declared[name]
    _check_keys(own, ARM_KEYS, f"arms.{name}")
    if "parent" not in own:
        return own
    parent = decode(str, own["parent"], f"arms.{name}.parent")
    if parent in (name, *below):
        raise ConfigError(
            f"arms stand on each other in a circle: {' -> '.join([*below, name, parent])}",
            where=f"arms.{name}.parent",
            mend="write out the settings of one of them",
        )
    if parent not in declared:
        raise ConfigError(
            f"there is no arm {parent!r} to stand on",
            where=f"arms.{name}.parent",
            mend=f"choose one of: {', '.join(declared)}",
        )
    base = _with_parent(parent, declared, (*below, name))
    merged: dict[str, Plain] = {**base, **own}
    for key in ("axes", "fixed"):
        inherited = _mapping(base.get(key, {}), f"arms.{parent}.{key}")
        merged[key] = {**inherited, **_mapping(own.get(key, {}), f"arms.{name}.{key}")}
    overrides = (_sequence(arm.get("override", []), f"arms.{name}.override") for arm in (base, own))
    merged["override"] = [entry for part in overrides for entry in part]
    merged["feeds"] = own.get("feeds", [])
    return merged


def _arm(name: str, given: Tree) -> Arm:
    where = f"arms.{name}"
    axes = _mapping(given.get("axes", {}), f"{where}.axes")
    filters = _sequence(given.get("where", []), f"{where}.where")
    try:
        return Arm(
            name=name,
            axes=tuple(_axis(key, value, f"{where}.axes") for key, value in axes.items()),
            fixed=_changes(given.get("fixed", {}), "", f"{where}.fixed"),
            zip=decode(tuple[tuple[str, ...], ...], given.get("zip", []), f"{where}.zip"),
            where=tuple(
                _conditions(entry, f"{where}.where[{i}]") for i, entry in enumerate(filters)
            ),
            override=_overrides(given.get("override", []), f"{where}.override"),
            feeds=decode(tuple[str, ...], given.get("feeds", []), f"{where}.feeds"),
            group=decode(str, given["group"], f"{where}.group") if "group" in given else None,
            stages=decode(
                tuple[Stage, ...], given.get("stages", list(MODEL_STAGES)), f"{where}.stages"
            ),
        )
    except ConfigError as error:
        raise error if error.where.startswith(where) else error.within(where) from error


def _axis(name: str, value: Plain, where: str) -> AxisList:
    return AxisList(name=name, values=tuple(_sequence(value, f"{where}.{name}")))


def _overrides(value: Plain, where: str) -> tuple[Override, ...]:
    overrides: list[Override] = []
    for index, entry in enumerate(_sequence(value, where)):
        place = f"{where}[{index}]"
        given = _mapping(entry, place)
        _check_keys(given, ("when", "set"), place)
        overrides.append(
            Override(
                when=_conditions(given.get("when", {}), f"{place}.when"),
                set=_changes(given.get("set", {}), "", f"{place}.set"),
            )
        )
    return tuple(overrides)


def _conditions(value: Plain, where: str) -> tuple[AxisList, ...]:
    """Read `{axis: value}` or `{axis: [values]}`: every axis must have one of its values."""
    return tuple(
        AxisList(name=key, values=tuple(item) if isinstance(item, list) else (item,))
        for key, item in _mapping(value, where).items()
    )


def _changes(value: Plain, prefix: str, where: str) -> tuple[Change, ...]:
    """Flatten nested keys to dotted places: `{finetune: {epochs: 2}}` is `finetune.epochs: 2`."""
    changes: list[Change] = []
    for key, item in _mapping(value, where).items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(item, dict):
            changes += _changes(item, path, where)
        else:
            changes.append(Change(path=path, value=item))
    return tuple(changes)


def _named(tree: Tree, key: str) -> list[tuple[str, Plain]]:
    return list(_mapping(tree.get(key, {}), key).items())


def _mapping(value: Plain, where: str) -> Tree:
    if not isinstance(value, dict):
        raise ConfigError(f"{value!r} holds no keys", where, "give keys with values")
    return {str(key): item for key, item in value.items()}


def _sequence(value: Plain, where: str) -> list[Plain]:
    if not isinstance(value, list):
        raise ConfigError(f"{value!r} is not a list", where, "give a list: [a, b]")
    return value


def _check_keys(tree: Tree, known: Sequence[str], where: str) -> None:
    for key in tree:
        if key not in known:
            raise ConfigError(
                f"unknown key {key!r}",
                where=f"{where}.{key}" if where else key,
                mend=f"known keys here: {', '.join(known)}",
            )
