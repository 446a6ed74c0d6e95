"""How fast documents become token shards, against a plain loop with the same tokenizer.

Run by hand: `python tests/benchmarks/tokenizing.py [tokenizer.json]`. Without a tokenizer it trains
a byte-level one of 50,000 ids on made-up words. The plain loop reads the same jsonl file line by
line, encodes each document with `Tokenizer.encode`, and writes the same shards; its bytes are
compared with ours. The least of two passes is told; ratios are of documents per second, ours over
the loop's. The start of worker processes is shown apart, as it is paid once whatever the text's
size. CPU seconds tell a busy machine, on which two workers have no two cores, from a slow program.
"""

import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from models.data.shards import write_token_shards
from models.data.tokenizing import tokenize

DOCUMENTS, SEQ_LEN, PER_SHARD, PASSES = 12_000, 2048, 512, 2
LETTERS = "etaoinshrdlcumwfgypbvk"


def words(count: int, rng: random.Random) -> list[str]:
    return ["".join(rng.choices(LETTERS, k=rng.randint(2, 9))) for _ in range(count)]


def write_documents(path: Path, documents: int) -> int:
    """Write documents whose words are drawn by Zipf's law, and return their bytes."""
    rng = random.Random(7)
    vocabulary = words(60_000, rng)
    weights = list(accumulate(1 / rank for rank in range(1, len(vocabulary) + 1)))
    with path.open("w", encoding="utf-8") as stream:
        for _ in range(documents):
            length = int(rng.lognormvariate(5.2, 1))
            text = " ".join(rng.choices(vocabulary, cum_weights=weights, k=length + 1))
            stream.write(json.dumps({"text": text}) + "\n")
    return path.stat().st_size


def train_tokenizer(path: Path, text: Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=50_000,
        special_tokens=["<|endoftext|>", "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    with text.open(encoding="utf-8") as stream:
        tokenizer.train_from_iterator((json.loads(line)["text"] for line in stream), trainer)
    tokenizer.save(str(path))


def plain_loop(text: Path, tokenizer_json: Path, out: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tokenizer_json))
    stream: list[int] = []
    with text.open(encoding="utf-8") as lines:
        for line in lines:
            ids = tokenizer.encode(json.loads(line)["text"], add_special_tokens=False).ids
            stream += [*ids, 0]
    rows = len(stream) // (SEQ_LEN + 1)
    ids = np.array(stream[: rows * (SEQ_LEN + 1)]).reshape(rows, SEQ_LEN + 1)
    write_token_shards(out, list(ids), PER_SHARD)


@dataclass(frozen=True, slots=True)
class Taken:
    """What making shards took."""

    wall: float
    """Seconds that passed."""
    cpu: float
    """Seconds that processors worked, those of worker processes among them."""


def least(make: Callable[[Path], object], out: Path) -> Taken:
    """Return the least of a few passes; the last one's output stays."""
    passes: list[Taken] = []
    for _ in range(PASSES):
        shutil.rmtree(out, ignore_errors=True)
        wall, cpu = time.perf_counter(), cpu_seconds()
        make(out)
        passes.append(Taken(time.perf_counter() - wall, cpu_seconds() - cpu))
    return Taken(min(taken.wall for taken in passes), min(taken.cpu for taken in passes))


def cpu_seconds() -> float:
    times = os.times()
    return sum(times[:4])


def compare(folder: Path, text: Path, tokenizer_json: Path) -> None:
    """Print documents per second of the loop and of ours, and see that they agree."""

    def ours(source: Path, workers: int) -> Callable[[Path], object]:
        options = {
            "seq_len": SEQ_LEN,
            "sequences_per_shard": PER_SHARD,
            "piece_bytes": 2 << 20,
            "workers": workers,
        }
        return lambda out: tokenize([source], tokenizer_json, out, options, [].append)

    few = folder / "few.jsonl"
    write_documents(few, 60)
    loop = least(lambda out: plain_loop(text, tokenizer_json, out), folder / "loop")
    print(f"plain loop: {DOCUMENTS / loop.wall:,.0f} documents/s, {loop.cpu:.1f} CPU s")
    for workers in (1, 2):
        out = folder / f"workers {workers}"
        taken = least(ours(text, workers), out)
        start = least(ours(few, workers), folder / "few")
        for plain in (folder / "loop").iterdir():
            if plain.is_file() and (out / plain.name).read_bytes() != plain.read_bytes():
                raise SystemExit(f"{plain.name} differs from the plain loop's")
        print(
            f"{workers} workers: {DOCUMENTS / taken.wall:,.0f} documents/s, {taken.cpu:.1f} CPU s, "
            f"{loop.wall / taken.wall:.2f} x the loop; "
            f"{loop.wall / (taken.wall - start.wall):.2f} x without the start "
            f"({start.wall:.2f} s, {start.cpu:.1f} CPU s)"
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = folder / "text.jsonl"
        size = write_documents(text, DOCUMENTS)
        print(f"{DOCUMENTS:,} documents, {size / 1e6:.1f} MB")
        tokenizer_json = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "tokenizer.json"
        if len(sys.argv) == 1:
            train_tokenizer(tokenizer_json, text)
        compare(folder, text, tokenizer_json)


if __name__ == "__main__":
    main()
