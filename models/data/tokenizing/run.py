"""One tokenization from documents to a manifest: pieces, then shards, then what vouches for them.

It can be killed at any moment: run again, it goes on where it stood and ends with the same bytes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

from models.data.tokenizer import tokenizer_file
from models.data.tokenizing.assemble import ShardTask, place_documents, write_shard
from models.data.tokenizing.config import Job, TokenizeConfig
from models.data.tokenizing.documents import cut, input_files
from models.data.tokenizing.encode import (
    PieceCounts,
    PieceTask,
    encode_piece,
    largest_id,
    open_tokenizer,
    read_counts,
)
from models.data.tokenizing.record import (
    BAD_DOCUMENTS,
    RECORD,
    TOKENIZER,
    bad_documents_text,
    manifest_text,
    read_record,
    shard_lines,
)
from models.data.tokenizing.work import WorkFolder
from models.data.tokenizing.workers import Workers
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.codec import Plain, decode

Report = Callable[[str], None]
"""Takes a line about what is going on."""
Item = TypeVar("Item")

_TENTHS = 10
"""Progress is told so many times in each phase."""


def tokenize(
    inputs: Sequence[Path],
    tokenizer: Path,
    out: Path,
    options: Mapping[str, object],
    report: Report,
) -> dict[str, Plain]:
    """Turn documents into a part of token shards.

    Args:
        inputs: files of documents, or folders of them.
        tokenizer: Hugging Face's `tokenizer.json`.
        out: folder of the part; new, or one that the same call has begun.
        options: fields of `TokenizeConfig`, and `workers` (processes, 1 if absent) and `max_bad`
            (documents that may be left out, 100 if absent).
        report: called with a line at a time.

    Returns:
        The record: settings, inputs and counts.

    Raises:
        ConfigError: if an option is unknown or out of range.
        DataError: if inputs or tokenizer are damaged or do not fit, too many documents are bad, or
            `out` holds something else.
    """
    settings = dict(options)
    workers = _count(settings.pop("workers", 1), "workers", least=1)
    max_bad = _count(settings.pop("max_bad", 100), "max_bad", least=0)
    config = decode(TokenizeConfig, settings)
    largest = _check_tokenizer(tokenizer, config, out)
    files = input_files(inputs)
    pieces = [piece for file in files for piece in cut(file, config.piece_bytes, config.field)]
    job = Job(
        config=config,
        tokenizer=tokenizer,
        inputs=files,
        largest_id=largest,
        pieces=tuple(pieces),
    )
    with Workers(workers) as processes:
        return _Run(job, out, processes, report).run(max_bad)


class _Run:
    """A tokenization and how it is carried out."""

    def __init__(self, job: Job, out: Path, workers: Workers, report: Report) -> None:
        self.job, self.out, self.workers, self.report = job, out, workers, report
        self.work = WorkFolder(out)
        self.identity = job.identity()

    def run(self, max_bad: int) -> dict[str, Plain]:
        """Do what is not done yet, and return the record."""
        self._check_place()
        done = self._finished()
        if done is not None and not self.work.path.exists():
            self.report("it is done already")
            return done
        with self.work.held():
            if done is not None:  # all but the removal of the work folder
                self.work.remove()
                return done
            self.work.begin({**self.identity, "piece_bytes": self.job.config.piece_bytes})
            pieces = self._pieces(max_bad)
            tasks = self._shard_tasks(pieces)
            record = self._record(pieces, shard_lines(tasks, self._shards(pieces, tasks)))
            self._put(TOKENIZER, self.job.tokenizer.read_bytes())
            self._put(RECORD, (json.dumps(record, indent=1) + "\n").encode())
            self._put("manifest.jsonl", manifest_text(tasks).encode())
            self.work.remove()
        return record

    def _check_place(self) -> None:
        begun = self.work.plan.exists() or (self.out / RECORD).exists()
        if not begun and any((*self.out.glob("*.tar"), *self.out.glob("manifest.jsonl"))):
            raise DataError(
                "the folder holds shards that this did not make",
                where=str(self.out),
                mend="name a new folder, or move these files away",
            )

    def _finished(self) -> dict[str, Plain] | None:
        """Return the record if all is done.

        Raises:
            DataError: if other shards than these are done here.
        """
        if not (self.out / "manifest.jsonl").exists():
            return None
        record = read_record(self.out)
        if record is None or record.get("settings") != self.identity:
            raise DataError(
                "the folder holds shards of other text, or made with other settings",
                where=str(self.out),
                mend=f"name a new folder, or move these shards away; {RECORD} says what they are",
            )
        return record

    def _pieces(self, max_bad: int) -> list[PieceCounts]:
        """Tokenize the pieces that are not done, and return the counts of all."""
        pieces = self.job.pieces
        found = [read_counts(self.work.piece(number)) for number in range(len(pieces))]
        tasks = [
            PieceTask(
                piece=piece,
                files=self.work.piece(number),
                field=self.job.config.field,
                tokenizer=self.job.tokenizer,
                id_type=self.job.id_type,
                most_faults=max_bad,
            )
            for number, piece in enumerate(pieces)
            if found[number] is None
        ]
        counts: list[PieceCounts] = []
        bad = 0
        made = self.workers.results(encode_piece, tasks)
        for known in self._told(found, len(pieces), "pieces tokenized"):
            counts.append(known or next(made))
            bad += len(counts[-1].faults)
            if bad > max_bad:
                self._refuse(counts, max_bad)
        self._put(BAD_DOCUMENTS, bad_documents_text(pieces, counts).encode())
        return counts

    def _refuse(self, counts: Sequence[PieceCounts], max_bad: int) -> None:
        text = bad_documents_text(self.job.pieces, counts)
        self._put(BAD_DOCUMENTS, text.encode())
        first = json.loads(text.splitlines()[0])
        raise DataError(
            f"more than {max_bad} documents cannot be used, the first because {first['reason']}",
            where=f"{first['file']}: {first['place']}",
            mend=f"mend those that {self.out / BAD_DOCUMENTS} names, or raise --max-bad",
        )

    def _shard_tasks(self, pieces: Sequence[PieceCounts]) -> list[ShardTask]:
        config = self.job.config
        starts = tuple(accumulate((piece.tokens for piece in pieces), initial=0))
        sequences = starts[-1] // (config.seq_len + 1)
        if sequences == 0:
            raise DataError(
                f"the documents have {starts[-1]} tokens, less than one sequence of "
                f"{config.seq_len + 1}",
                where=", ".join(str(file) for file in self.job.inputs),
                mend="give more text, or shorter sequences",
            )
        firsts = range(0, sequences, config.sequences_per_shard)
        return [
            ShardTask(
                out=self.out,
                number=number,
                first_sequence=first,
                sequences=min(config.sequences_per_shard, sequences - first),
                seq_len=config.seq_len,
                id_type=self.job.id_type,
                piece_starts=starts,
            )
            for number, first in enumerate(firsts)
        ]

    def _shards(self, pieces: Sequence[PieceCounts], tasks: Sequence[ShardTask]) -> list[str]:
        """Write the shards that are not there, and return the hashes of all."""
        place_documents(self.work, pieces, self.job.config.seed)
        hashes = self.workers.results(write_shard, tasks)
        return list(self._told(hashes, len(tasks), "shards written"))

    def _record(self, pieces: Sequence[PieceCounts], shards: list[Plain]) -> dict[str, Plain]:
        tokens = sum(piece.tokens for piece in pieces)
        size = self.job.config.seq_len + 1
        return {
            "settings": self.identity,
            "vocab_size": self.job.largest_id + 1,
            "documents": sum(piece.documents for piece in pieces),
            "bad_documents": sum(len(piece.faults) for piece in pieces),
            "sequences": tokens // size,
            "tokens_left_over": tokens % size,
            "shards": shards,
        }

    def _put(self, name: str, content: bytes) -> None:
        with self.work.putting(name) as temporary:
            temporary.write_bytes(content)

    def _told(self, items: Iterable[Item], count: int, what: str) -> Iterator[Item]:
        """Pass the items on, and tell now and then how many there were."""
        for number, item in enumerate(items, start=1):
            yield item
            if number * _TENTHS // count > (number - 1) * _TENTHS // count:
                self.report(f"{number} of {count} {what}")


def _count(value: object, name: str, *, least: int) -> int:
    if not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} is {value}, not a count from {least} on", name, "give a count")
    return value


def _check_tokenizer(path: Path, config: TokenizeConfig, out: Path) -> int:
    """Return the tokenizer's largest id, if the tokenizer may be used here."""
    largest = largest_id(open_tokenizer(path))
    if config.vocab_size is not None and largest >= config.vocab_size:
        raise DataError(
            f"the tokenizer gives ids up to {largest}, the vocabulary has {config.vocab_size}",
            where=str(path),
            mend=f"use the model's tokenizer, or a model with a vocab_size from {largest + 1} on",
        )
    beside = tokenizer_file(out.parent)
    if beside.exists() and beside.read_bytes() != path.read_bytes():
        raise DataError(
            "the collection has another tokenizer",
            where=str(beside),
            mend=f"tokenize with it, or make a collection of its own for {path}",
        )
    return largest
