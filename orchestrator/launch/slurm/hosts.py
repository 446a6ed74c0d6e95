"""Node names as Slurm abbreviates them. Pure."""

import re

_GROUP = re.compile(r"[^,\[\]]+(?:\[[^\]]*\][^,\[\]]*)*")
_BRACKET = re.compile(r"\[([^\]]*)\]")

MOST_HOSTS = 100_000
"""A list that stands for more is none."""


def host_names(text: str) -> tuple[str, ...]:
    """Return the names that a list such as `n[1-3,07],login` stands for, in its order."""
    names: list[str] = []
    for group in _GROUP.findall(text):
        names += _expanded(group)
        if len(names) > MOST_HOSTS:
            return ()
    return tuple(names)


def _expanded(group: str) -> list[str]:
    found = _BRACKET.search(group)
    if found is None:
        return [group]
    head, tails = group[: found.start()], _expanded(group[found.end() :] or "")
    return [f"{head}{middle}{tail}" for middle in _numbers(found[1]) for tail in tails or [""]]


def _numbers(text: str) -> list[str]:
    numbers: list[str] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not dash or not (first.isdecimal() and last.isdecimal()):
            numbers.append(part)
            continue
        if int(last) - int(first) > MOST_HOSTS:
            return []
        numbers += [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]
    return numbers
