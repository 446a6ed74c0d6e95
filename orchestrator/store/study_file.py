"""Read a study from its YAML file, with includes, interpolation and values set from outside.

The one place where plain YAML becomes typed values. Every refusal names the file and the key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from orchestrator.errors import ConfigError, SweepError
from orchestrator.plan.cost import ONE_CPU_SLOT
from orchestrator.plan.plan import Plan
from orchestrator.plan.planner import plan_study
from orchestrator.spec.change import Change
from orchestrator.spec.codec import Plain, Scalar, decode
from orchestrator.spec.identity import digest
from orchestrator.spec.model import ModelConfig, VisionConfig
from orchestrator.spec.presets import PRESETS
from orchestrator.spec.run import STAGE_FUNCTIONS, Stage, SuiteConfig
from orchestrator.spec.settings import Settings, StageSettings
from orchestrator.spec.study import (
    MODEL_STAGES,
    Arm,
    AxisList,
    Collection,
    NamedEncoder,
    NamedModel,
    Override,
    Study,
)
from orchestrator.store.layout import StudyFolder
from orchestrator.store.usage import measured_throughput

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
    "arms",
)
"""What a study file may say."""

ARM_KEYS = ("axes", "fixed", "zip", "where", "override", "feeds", "stages")
"""What an arm may say."""

RESERVED = ("data", "published")
"""Folders below `results/` that belong to no study."""

Tree = Mapping[str, Plain]


def load_study(path: Path, overrides: tuple[str, ...] = ()) -> Study:
    """Read a study.

    Args:
        path: the YAML file.
        overrides: `dotted.key=value` pairs that win over the file.

    Raises:
        ConfigError: if the file is missing, empty, no YAML, or says something that does not hold.
    """
    tree = _read(path, overrides)
    try:
        return _study(tree)
    except SweepError as error:
        raise error.within(str(path)) from error


def load_plan(path: Path, overrides: tuple[str, ...] = (), results: Path = Path("results")) -> Plan:
    """Read a study and plan it, with costs from what its finished runs took, if there are any.

    Args:
        path: the YAML file.
        overrides: `dotted.key=value` pairs that win over the file.
        results: folder of results folders.

    Raises:
        ConfigError: if the study says something that does not hold.
        PlanError: if its values make no sensible plan.
    """
    study = load_study(path, overrides)
    measured = measured_throughput(StudyFolder(results / study.name))
    try:
        return plan_study(study, measured or ONE_CPU_SLOT)
    except SweepError as error:
        raise error.within(str(path)) from error


def _read(path: Path, overrides: tuple[str, ...]) -> Tree:
    loaded = _load_yaml(path)
    included = cast(object, loaded.get("include", ()))
    names = [included] if isinstance(included, str) else cast(Sequence[str], included)
    parts = [_load_yaml(path.parent / name) for name in names]
    try:
        values = OmegaConf.from_dotlist(list(overrides))
        merged = OmegaConf.merge(*parts, loaded, values)
        tree = OmegaConf.to_container(merged, resolve=True)
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise ConfigError(
            f"the study cannot be put together: {_first_line(error)}",
            where=str(path),
            mend="check interpolations (${...}), includes and --set key=value",
        ) from error
    return cast(Tree, tree)


def _load_yaml(path: Path) -> DictConfig:
    try:
        loaded = OmegaConf.load(path)
    except FileNotFoundError as error:
        raise ConfigError("there is no such file", str(path), "give a study file") from error
    except (OmegaConfBaseException, YAMLError, UnicodeDecodeError, OSError) as error:
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


def _first_line(error: Exception) -> str:
    """Say what a YAML or OmegaConf error says, with its line, and without its many other lines."""
    mark = getattr(error, "problem_mark", None)
    place = f" (line {mark.line + 1})" if mark is not None else ""
    problem = getattr(error, "problem", None) or str(error).strip().split("\n")[0]
    return f"{problem}{place}"


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
    source = decode(str, given.get("data", ""), f"{where}.data")
    collection = source.partition("/")[0]
    if collection not in versions:
        raise ConfigError(
            f"data collection {collection!r} is not declared",
            where=f"{where}.data",
            mend=f"name a part of: {', '.join(versions) or 'a collection under data'}",
        )
    given["data"] = {"name": source, "version": versions[collection]}
    return decode(SuiteConfig, {"name": name, **given}, where)


def _collection(name: str, item: Plain) -> Collection:
    where = f"data.{name}"
    given = dict(_mapping(item, where))
    if "recipe" not in given:
        _check_keys(given, ("version",), where)
        return Collection(name=name, version=decode(str, given.get("version"), f"{where}.version"))
    recipe = decode(str, given.pop("recipe"), f"{where}.recipe")
    options = tuple(sorted((key, _scalar(value, f"{where}.{key}")) for key, value in given.items()))
    version = digest({"recipe": recipe, "options": dict(options)})
    return Collection(name=name, version=version, recipe=recipe, options=options)


def _scalar(value: Plain, where: str) -> Scalar:
    if isinstance(value, bool | int | float | str):
        return value
    raise ConfigError(f"{value!r} is no single value", where, "give a number or a word")


def _arms(tree: Tree) -> tuple[Arm, ...]:
    arms = tuple(_arm(name, item) for name, item in _named(tree, "arms"))
    if not arms:
        raise ConfigError("the study has no arm", "arms", "declare at least one arm with its axes")
    return arms


def _arm(name: str, item: Plain) -> Arm:
    where = f"arms.{name}"
    given = _mapping(item, where)
    _check_keys(given, ARM_KEYS, where)
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
