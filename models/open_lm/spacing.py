"""Where OpenLM's checkpoints come to lie: whole shards apart, whatever was asked for.

Between two checkpoints OpenLM takes shards until it has enough sequences, and trains on all that it
took (open_lm/file_utils.py, `_single_epoch_string`). It stops exactly at a schedule's end alone. A
segment that ends before has to be made of whole shards for each of the processes.
"""

import gzip
import json
import tarfile
from dataclasses import dataclass
from math import gcd
from pathlib import Path

from models.open_lm.command import WORKERS, Rates
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.run import TextPretrain

CHECKPOINTS = (8, 4, 2, 1)
"""How many a segment is divided into, the first that fits: a stop costs what is since the last."""


@dataclass(frozen=True, slots=True)
class Shards:
    """A source of token shards, as OpenLM sees it."""

    manifest: Path
    """Its `manifest.jsonl`."""
    sequences: tuple[int, ...]
    """Of each shard."""
    data_key: str
    """Suffix of a shard's members."""


def read_shards(folder: Path, seq_len: int) -> Shards:
    """Read the manifest of a source, and the first sequence of its first shard.

    Args:
        folder: of the shards and their manifest.
        seq_len: tokens that the model reads at once.

    Raises:
        DataError: if OpenLM would misread it.
    """
    manifest = folder / "manifest.jsonl"
    try:
        text = manifest.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        sequences = tuple(int(line["num_sequences"]) for line in lines)
        shard = folder / f"{lines[0]['shard']}.tar"
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"it is no manifest of shards ({error})", str(manifest), "write it again"
        ) from error
    if not text.endswith("\n"):
        raise DataError(
            "the last line has no end: OpenLM would leave that shard out",
            where=str(manifest),
            mend="add a newline at its end",
        )
    try:
        with tarfile.open(shard) as members:
            first = members.next()
            length = 0 if first is None else _length(members, first)
    except (OSError, EOFError, ValueError, TypeError, tarfile.TarError) as error:
        raise DataError(f"the shard cannot be read ({error})", str(shard), "fetch it") from error
    if first is None:
        raise DataError("the shard is empty", str(shard), "fetch it again")
    if length != seq_len + 1:
        raise DataError(
            f"its sequences have {length} tokens: OpenLM leaves out shorter ones than "
            f"{seq_len + 1} and cuts longer ones at random",
            where=str(shard),
            mend=f"tokenize again into sequences of {seq_len + 1}: sweep data tokenize",
        )
    return Shards(manifest, sequences, Path(first.name).name.partition(".")[2])


def checkpoint_tokens(
    config: TextPretrain, rates: Rates, begin: int, shards: Shards, processes: int
) -> int:
    """Return the tokens between checkpoints with which one lies at the segment's end.

    Args:
        config: the segment.
        rates: its schedule.
        begin: tokens at which it begins.
        shards: what is read.
        processes: that train together.

    Raises:
        ConfigError: if no spacing does, with budgets that would.
        DataError: if there are fewer shards than processes, or too few of them make whole rounds.
    """
    if len(shards.sequences) < processes * WORKERS:
        raise DataError(
            f"{len(shards.sequences)} shards are fewer than {processes} processes",
            where=str(shards.manifest),
            mend="make shards of fewer sequences, or train on fewer devices",
        )
    readers = processes * WORKERS
    in_rounds = len(shards.sequences) // readers * readers
    tokens = in_rounds * max(shards.sequences) * config.model.seq_len
    if config.end_tokens > tokens:
        raise DataError(
            f"OpenLM reads them once, in rounds of one shard for each process: {in_rounds} of "
            f"{len(shards.sequences)} shards, {tokens} tokens of {config.end_tokens}",
            where=str(shards.manifest),
            mend="give more text; or make as many shards as the processes divide",
        )
    span = gcd(config.end_tokens - begin, rates.tokens)
    sizes = set(shards.sequences)
    whole = max(sizes) * readers * config.model.seq_len
    for parts in CHECKPOINTS:
        tokens, rest = divmod(span, parts)
        if not rest and not tokens % config.batch_tokens and not tokens % whole and len(sizes) == 1:
            return tokens
    if config.end_tokens == rates.tokens:
        return span  # it ends with its schedule, wherever shards end
    if len(sizes) > 1:
        what, mend = "shards of different sizes", "make shards of one size: sweep data tokenize"
    else:
        what = f"shards of {whole} tokens over {processes} processes"
        mend = f"choose budgets and cooldown points that are multiples of {whole} tokens"
    raise ConfigError(
        f"OpenLM cannot stop at {config.end_tokens} tokens: it goes on to a shard's end, and there "
        f"are {what}",
        where="text_pretrain",
        mend=mend,
    )


def _length(members: tarfile.TarFile, member: tarfile.TarInfo) -> int:
    """Return the tokens of a sequence, which all of OpenLM's suffixes hold as a JSON list."""
    file = members.extractfile(member)
    if file is None:
        raise ValueError(f"{member.name} is no file")
    with file:
        content = file.read()
    return len(json.loads(gzip.decompress(content) if member.name.endswith(".gz") else content))
