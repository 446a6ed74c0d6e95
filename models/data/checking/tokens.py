"""Checking token shards: the manifest, every shard and every id in them.

It reads what `models.data.shards` reads, but goes on after what is wrong.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from models.data.checking.finding import Expected, Finding, of_error
from models.data.checking.manifest import NamedShard, check_last_line, manifest_lines
from models.data.checking.vocabulary import check_recorded_size, check_tokenizers, vocabulary_size
from models.data.sequences import decoded_ids
from models.data.tars import read_samples
from models.data.tokenizing.record import made_with, read_record, settings_of
from orchestrator.errors import DataError

_REMAKE = "fetch or make the shard again"


def check_token_shards(folder: Path, expected: Expected) -> Iterator[Finding]:
    """Yield what is wrong with a part of token shards."""
    yield from check_tokenizers(folder, expected, made_with(folder))
    yield from check_recorded_size(folder, expected)
    manifest = folder / "manifest.jsonl"
    yield from check_last_line(manifest)
    named: list[NamedShard] = []
    for item in manifest_lines(manifest):
        if isinstance(item, Finding):
            yield item
        else:
            named.append(item)
    known = {shard.path for shard in named}
    for path in sorted(set(folder.glob("*.tar")) - known):
        yield Finding(
            file=str(path),
            what="the manifest does not name this shard, so that nothing reads it",
            mend="give it a line in manifest.jsonl, or remove it",
        )
    yield from _Shards(folder, expected).check(named)


class _Shards:
    """What the shards of a part are compared with: what is expected, and one another."""

    def __init__(self, folder: Path, expected: Expected) -> None:
        self._hashes = _hashes_of_record(folder)
        self._vocab_size = vocabulary_size(folder, expected)
        self._length = _length_of_record(folder)
        if expected.seq_len is not None:
            self._length = expected.seq_len + 1
        self._by_content: dict[str, Path] = {}

    def check(self, named: list[NamedShard]) -> Iterator[Finding]:
        for shard in named:
            if shard.path.is_file():
                yield from self._check_shard(shard)
            else:
                yield Finding(file=str(shard.path), what="the shard is missing", mend=_REMAKE)

    def _check_shard(self, shard: NamedShard) -> Iterator[Finding]:
        file = str(shard.path)
        content = hashlib.sha256()
        count = 0
        try:
            for sample in read_samples(shard.path):
                ids = decoded_ids(sample)
                if isinstance(ids, str):
                    mend = "write each sequence as a JSON list of ids, suffix .json"
                    yield Finding(file=file, index=count, what=ids, mend=mend)
                else:
                    content.update(ids.tobytes())
                    content.update(b";")
                    yield from self._check_sequence(file, count, ids)
                count += 1
        except DataError as error:
            yield of_error(error, shard.path, count)
            return
        if count == 0:
            yield Finding(file=file, what="the shard is empty", mend="remove it and its line")
        if count != shard.sequences:
            yield Finding(
                file=file,
                what=f"it has {count} sequences, the manifest says {shard.sequences}",
                mend=f"{_REMAKE}, or mend line {shard.line} of the manifest",
            )
        yield from self._check_content(shard, content.hexdigest(), count)

    def _check_sequence(self, file: str, index: int, ids: NDArray[np.int64]) -> Iterator[Finding]:
        self._length = self._length or len(ids)
        if len(ids) != self._length:
            yield Finding(
                file=file,
                index=index,
                what=f"the sequence has {len(ids)} ids, not {self._length}",
                mend="cut all sequences of a data set to one length, seq_len + 1",
            )
        largest = int(ids.max())
        if self._vocab_size is not None and largest >= self._vocab_size:
            place = int(ids.argmax())
            yield Finding(
                file=file,
                index=index,
                what=f"id {largest} at position {place} is beyond the vocabulary of "
                f"{self._vocab_size}",
                mend="tokenize the text with the model's own tokenizer, or enlarge the model's",
            )

    def _check_content(self, shard: NamedShard, content: str, count: int) -> Iterator[Finding]:
        same = self._by_content.setdefault(content, shard.path) if count else shard.path
        if same != shard.path:
            yield Finding(
                file=str(shard.path),
                what=f"it holds the same sequences as {same.name}",
                mend="remove one of the two, with its line in the manifest",
            )
        recorded = self._hashes.get(shard.path.name)
        if recorded is not None:
            with shard.path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest != recorded:
                yield Finding(
                    file=str(shard.path),
                    what="it is not the shard that tokenize.json vouches for",
                    mend=_REMAKE,
                )


def _length_of_record(folder: Path) -> int | None:
    seq_len = settings_of(folder).get("seq_len")
    return seq_len + 1 if isinstance(seq_len, int) else None


def _hashes_of_record(folder: Path) -> dict[str, str]:
    shards = (read_record(folder) or {}).get("shards")
    try:
        entries = cast(list[dict[str, str]], shards or [])
        return {f"{entry['shard']}.tar": entry["sha256"] for entry in entries}
    except (TypeError, KeyError):
        return {}
