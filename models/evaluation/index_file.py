"""Reads benchmarks in their published formats: `benchmarks.json` and one index file for each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from models.evaluation.ai2d import Ai2d
from models.evaluation.boxes import RefCoco
from models.evaluation.captioning import Captioning
from models.evaluation.family import Family
from models.evaluation.gqa import Gqa
from models.evaluation.json_text import parse_json
from models.evaluation.ocid_ref import OcidRef
from models.evaluation.pope import Pope
from models.evaluation.problem import Problem
from models.evaluation.prompts import Wording, worded
from models.evaluation.question import Question, Row
from models.evaluation.rule import Rule
from models.evaluation.tally import LetteredTally, Tally
from models.evaluation.text_vqa import TextVqa
from models.evaluation.vizwiz import VizWiz
from models.evaluation.vqa import Vqa
from models.evaluation.vsr import Vsr
from orchestrator.errors import ConfigError, DataError

FAMILIES: Mapping[str, Family] = {
    "vqa-v2": Vqa(),
    "gqa": Gqa(),
    "vizwiz": VizWiz(),
    "text-vqa": TextVqa(shows_ocr=False),
    "text-vqa-ocr": TextVqa(shows_ocr=True),
    "refcoco": RefCoco(),
    "ocid-ref": OcidRef(),
    "pope": Pope(),
    "vsr": Vsr(),
    "tally-qa": Tally(),
    "tally-qa-letters": LetteredTally(),
    "ai2d": Ai2d(),
    "captioning": Captioning(),
}
"""Families by their names in `benchmarks.json`, which are vlm-evaluation's where it has them."""

OFFICIAL: Mapping[str, Family] = {
    "vqa-v2": Vqa(Rule.OFFICIAL),
    "gqa": Gqa(Rule.OFFICIAL),
    "vizwiz": VizWiz(Rule.OFFICIAL),
}
"""Families whose own script scores otherwise than vlm-evaluation, as it scores them."""

_ASKED = ("question", "ref_expression", "caption")
"""Keys of a row that hold what is asked."""


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
    family = family_of(entry)
    index = path.parent / entry.text("index")
    rows = _read_object(index)
    if not rows:
        raise DataError("the index holds no question", str(index), "make the benchmark again")
    questions = [
        read_question(family, key, Row(_as_object(row, f"{index}: {key}"), f"{index}: {key}"))
        for key, row in rows.items()
    ]
    wording = _wording(entry)
    return Benchmark(
        name=name,
        family=family,
        questions=tuple(replace(one, text=worded(one.text, wording)) for one in questions),
    )


def family_of(entry: Row) -> Family:
    """Return how a benchmark is asked and scored, from what `benchmarks.json` says of it.

    Raises:
        DataError: if there is no such family, or it is not scored by the rule named.
    """
    name, rule = entry.text("family"), entry.optional_text("rule") or Rule.VLM_EVALUATION
    if name not in FAMILIES:
        raise entry.refuse("family", f"one of {', '.join(FAMILIES)}")
    if rule == Rule.VLM_EVALUATION:
        return FAMILIES[name]
    if rule == Rule.OFFICIAL and name in OFFICIAL:
        return OFFICIAL[name]
    known = (Rule.VLM_EVALUATION, *([Rule.OFFICIAL] if name in OFFICIAL else []))
    raise entry.refuse("rule", f"one of {', '.join(known)}")


def read_question(family: Family, question_id: str, row: Row) -> Question:
    """Read a row of an index file, and note what is wrong with it but can be asked.

    Raises:
        DataError: if a value is missing or not what the format declares.
    """
    question = family.question(question_id, row)
    if all(row.optional_text(key).strip() for key in _ASKED if key in row.values):
        return question
    return replace(question, faults=(*question.faults, Problem.EMPTY_QUESTION))


def _wording(entry: Row) -> Wording:
    word = entry.optional_text("wording") or Wording.PUBLISHED
    if word not in list(Wording):
        raise entry.refuse("wording", f"one of {', '.join(Wording)}")
    return Wording(word)


def _read_object(path: Path) -> Mapping[str, object]:
    try:
        content = path.read_text(encoding="utf-8")
        value = parse_json(content, lambda pairs: _once(pairs, path))
    except (OSError, ValueError) as error:
        raise DataError(
            f"the file cannot be read ({error})", str(path), "fetch or make the data again"
        ) from error
    return _as_object(value, str(path))


def _once(pairs: list[tuple[str, object]], path: Path) -> dict[str, object]:
    """Make an object of its keys and values, none of them twice."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise DataError(f"the key {key!r} is there twice", f"{path}: {key}", "keep one of them")
        found[key] = value
    return found


def _as_object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise DataError("there is no JSON object here", where, "write an object of keys and values")
    return cast(dict[str, object], value)
