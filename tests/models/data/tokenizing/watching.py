"""Runs a tokenization whose workers write down, after each task, which modules they have loaded."""

import json
import os
import sys
from pathlib import Path

from models.data.tokenizing import run
from models.data.tokenizing.assemble import ShardTask, write_shard
from models.data.tokenizing.encode import PieceCounts, PieceTask, encode_piece


def encode(task: PieceTask) -> PieceCounts:
    counts = encode_piece(task)
    write_down("encode")
    return counts


def write(task: ShardTask) -> str:
    digest = write_shard(task)
    write_down("write")
    return digest


def write_down(what: str) -> None:
    seen = Path(os.environ["SEEN"])
    (seen / f"{what}-{os.getpid()}.json").write_text(json.dumps(sorted(sys.modules)))


if __name__ == "__main__":
    run.encode_piece, run.write_shard = encode, write
    tokenizer, out, *inputs = map(Path, sys.argv[1:])
    options = {"seq_len": 8, "sequences_per_shard": 4, "workers": 2}
    run.tokenize(inputs, tokenizer, out, options, [].append)
