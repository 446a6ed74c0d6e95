"""Reading the manifest of token shards line by line, what is wrong with it included."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.data.checking.finding import Finding

_LINE = 'write {"shard": "<name without .tar>", "num_sequences": N}'


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedShard:
    """A shard as a manifest names it."""

    path: Path
    """Where it should be."""
    sequences: int
    """How many sequences it should have."""
    line: int
    """Line of the manifest, from 1."""


def manifest_lines(path: Path) -> Iterator[NamedShard | Finding]:
    """Yield the shards that a manifest names, each once, and what is wrong with its lines."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield Finding(file=str(path), what=f"the manifest cannot be read ({error})", mend=_LINE)
        return
    if not text.strip():
        yield Finding(file=str(path), what="the manifest names no shard", mend=_LINE)
    lines: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        named = _named(path, number, line)
        if named is None:
            what = f"the line names no shard with its count: {line[:100]}"
            yield Finding(file=str(path), index=number, what=what, mend=_LINE)
        elif named.path in lines:
            yield Finding(
                file=str(path),
                index=number,
                what=f"{named.path.name} is named in line {lines[named.path]} already",
                mend="name each shard once",
            )
        else:
            lines[named.path] = number
            yield named


def check_last_line(path: Path) -> Iterator[Finding]:
    """Yield whether a manifest's last line is cut off, which our readers do not mind."""
    content = path.read_bytes() if path.is_file() else b""
    if content.strip() and not content.endswith(b"\n"):
        yield Finding(
            file=str(path),
            index=len(content.splitlines()),
            what="the last line does not end in a new line, so that OpenLM leaves it out",
            mend="end the file with a new line",
        )


def _named(manifest: Path, number: int, line: str) -> NamedShard | None:
    try:
        entry = json.loads(line)
        count = entry.get("num_sequences", entry.get("num_chunks"))  # the older key
        name = entry["shard"]
    except (ValueError, KeyError, AttributeError, RecursionError):
        return None
    if type(count) is not int or count < 0 or not isinstance(name, str):
        return None
    path = manifest.parent / f"{name.removesuffix('.tar')}.tar"
    return NamedShard(path=path, sequences=count, line=number)
