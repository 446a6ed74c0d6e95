"""What a study ran on, from the `environment.json` of its attempts. Reads files."""

from collections import Counter
from collections.abc import Mapping
from typing import cast

from analysis.study import StudyResults
from orchestrator.errors import RecordError
from orchestrator.store.files import read_json
from orchestrator.store.layout import RunFolder

_SKIPPED = ("format", "executable", "variables", "env")
_SMALL_NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 8: "eight"}


def environments(study: StudyResults) -> dict[str, dict[str, int]]:
    """Return for each recorded property its values, with how many runs had each.

    The last attempt of each run counts; a run without a readable record counts in none.
    """
    counts: dict[str, Counter[str]] = {}
    for run in study.runs:
        for name, value in _flat(_environment(study.folder.run(run.run_id))):
            counts.setdefault(name, Counter())[value] += 1
    return {name: dict(counter.most_common()) for name, counter in sorted(counts.items())}


def scope_words(known: Mapping[str, Mapping[str, int]]) -> str:
    """Say how far results of this machine reach."""
    devices, cpus = known.get("device", {}), known.get("cpus", {})
    if any(name != "cpu" for name in devices):
        machine = f"on {', '.join(devices)}"
        return f"What was measured {machine} holds at the sizes that were run {machine}."
    count = next(iter(cpus), None)
    if len(cpus) != 1 or count is None or not count.isdigit():
        machine = "CPU cores"
    else:
        words = _SMALL_NUMBERS.get(int(count), count)
        machine = f"{words} CPU core" + ("" if count == "1" else "s")
    return (
        f"A small study on {machine} shows what {machine} show: directions at this size, on a made "
        "world, with few seeds. It is no evidence about models thousands of times larger."
    )


def _environment(folder: RunFolder) -> dict[str, object]:
    numbers = sorted(int(p.name) for p in folder.attempts.glob("*") if p.name.isdigit())
    if not numbers:
        return {}
    try:
        return read_json(folder.attempt(numbers[-1]).environment)
    except RecordError:
        return {}


def _flat(record: Mapping[str, object]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in record.items():
        if name in _SKIPPED or value is None:
            continue
        if isinstance(value, Mapping):
            inner = cast(Mapping[str, object], value)
            found += [(str(key), str(item)) for key, item in inner.items()]
        else:
            found.append((name, str(value)))
    return found
