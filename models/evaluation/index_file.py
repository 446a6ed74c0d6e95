"""Reads benchmarks in their published formats: `benchmarks.json` and one index file for each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from models.evaluation.boxes import RefCoco
from models.evaluation.family import Family
from models.evaluation.pope import Pope
from models.evaluation.prompts import Wording, worded
from models.evaluation.question import Question, Row
from models.evaluation.tally import Tally
from models.evaluation.vqa import Vqa
from orchestrator.errors import ConfigError, DataError

FAMILIES: Mapping[str, Family] = {
    "vqa-v2": Vqa(),
    "pope": Pope(),
    "refcoco": RefCoco(),
    "tally-qa": Tally(),
}
"""Families by their names in `benchmarks.json`, which are vlm-evaluation's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A benchmark's questions, all of them, in the order of its index file."""

    name: str
    """Unique in its collection."""
    family: Family
    """How it is asked and scored."""
    questions: tuple[Question, ...]
    """At least one."""


def load_benchmarks(folder: Path, names: tuple[str, ...]) -> list[Benchmark]:
    """Read the benchmarks of these names.

    Raises:
        ConfigError: if there is no benchmark of a name.
        DataError: if a file is missing, damaged or not in its family's format.
    """
    path = folder / "benchmarks.json"
    declared = _read_object(path)
    return [_load(path, declared, name) for name in names]


def _load(path: Path, declared: Mapping[str, object], name: str) -> Benchmark:
    if name not in declared:
        raise ConfigError(
            f"there is no benchmark {name!r}",
            where="suite.benchmarks",
            mend=f"choose from those in {path}: {', '.join(sorted(declared))}",
        )
    entry = Row(_as_object(declared[name], f"{path}: {name}"), f"{path}: {name}")
    family = FAMILIES.get(entry.text("family"))
    if family is None:
        raise entry.refuse("family", f"one of {', '.join(FAMILIES)}")
    index = path.parent / entry.text("index")
    rows = _read_object(index)
    if not rows:
        raise DataError("the index holds no question", str(index), "make the benchmark again")
    questions = [
        family.question(key, Row(_as_object(row, f"{index}: {key}"), f"{index}: {key}"))
        for key, row in rows.items()
    ]
    wording = _wording(entry)
    return Benchmark(
        name=name,
        family=family,
        questions=tuple(replace(one, text=worded(one.text, wording)) for one in questions),
    )


def _wording(entry: Row) -> Wording:
    word = entry.optional_text("wording") or Wording.PUBLISHED
    if word not in list(Wording):
        raise entry.refuse("wording", f"one of {', '.join(Wording)}")
    return Wording(word)


def _read_object(path: Path) -> Mapping[str, object]:
    try:
        value: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"the file cannot be read ({error})", str(path), "fetch or make the data again"
        ) from error
    return _as_object(value, str(path))


def _as_object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise DataError("there is no JSON object here", where, "write an object of keys and values")
    return cast(dict[str, object], value)
