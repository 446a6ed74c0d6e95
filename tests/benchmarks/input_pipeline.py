"""How fast batches come off the disk, against plain webdataset on the same shards.

Run by hand: `python tests/benchmarks/input_pipeline.py`. Token shards hold JSON lists, captioned
images PNG files and their text, both in the formats that the project writes. Plain webdataset is
`WebDataset(urls).decode().to_tuple(...)`, with the same batches put together of what it gives; it
tokenizes captions as it reads them, where ours has indexed them once (told apart). One process, one
thread, CPU time; the two take turns and ratios are medians over rounds. A round reads each
sequence or picture once.
"""

import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from webdataset.compat import WebDataset

from models.data.batch import Row, collate
from models.data.captions import caption_index, open_captions
from models.data.images import open_images
from models.data.pretraining import PretrainingData, text_row
from models.data.shards import token_index, write_token_shards
from models.data.tars import Sample, write_samples

SEQ_LEN, SEQUENCES, VOCABULARY, BATCH = 2048, 256, 50_432, 8
PICTURES, PICTURE_SIZE = 400, 64
ROUNDS = 5
TEXT_GOAL, IMAGES_GOAL = 2.0, 1.0


def write_text(folder: Path) -> None:
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (SEQUENCES, SEQ_LEN + 1))
    write_token_shards(folder, list(ids), 64)


def write_captions(folder: Path) -> None:
    """Write pictures of noise over flat squares, with captions, and a tokenizer of words."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    words = [f"w{number}" for number in range(200)]
    vocabulary = {"<|endoftext|>": 0, "<|padding|>": 1}
    vocabulary |= {word: number for number, word in enumerate(words, start=2)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<|padding|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder.parent / "tokenizer.json"))
    samples: list[Sample] = []
    for number in range(PICTURES):
        flat = np.repeat(np.repeat(rng.integers(0, 256, (4, 4, 3)), 16, 0), 16, 1)
        noisy = (flat + rng.integers(0, 8, flat.shape)).clip(0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noisy).save(stream, "PNG")
        text = " ".join(rng.choice(words, 12))
        samples.append(Sample(f"{number:06d}", {"png": stream.getvalue(), "txt": text.encode()}))
    write_samples(folder / "000000.tar", iter(samples))


def our_text(folder: Path) -> Callable[[], int]:
    data = PretrainingData(folder, None, seq_len=SEQ_LEN, seed=0)

    def read() -> int:
        tokens = 0
        for first in range(0, SEQUENCES, BATCH):
            batch = data.batch(first, BATCH)
            tokens += torch.from_numpy(batch.ids).numel()
        return tokens

    return read


def plain_text(folder: Path) -> Callable[[], int]:
    def read() -> int:
        tokens = 0
        rows: list[Row] = []
        for (ids,) in dataset(folder).decode().to_tuple("json"):
            rows.append(text_row(np.array(ids)))
            if len(rows) == BATCH:
                tokens += torch.from_numpy(collate(rows, SEQ_LEN).ids).numel()
                rows.clear()
        return tokens

    return read


def our_pictures(folder: Path) -> Callable[[], int]:
    images, captions = open_images(folder), open_captions(folder)

    def read() -> int:
        order = np.random.default_rng(0).permutation(len(images))
        for first in range(0, len(order), BATCH):
            numbers = [int(number) for number in order[first : first + BATCH]]
            pictures([images.pixels(number) for number in numbers])
            padded([captions.tokens(number) for number in numbers])
        return len(order)

    return read


def plain_pictures(folder: Path) -> Callable[[], int]:
    tokenizer = Tokenizer.from_file(str(folder.parent / "tokenizer.json"))

    def read() -> int:
        count = 0
        for images, texts in (
            dataset(folder)
            .decode("rgb8")
            .to_tuple("png", "txt")
            .batched(BATCH, collation_fn=columns)
        ):
            pictures(list(images))
            padded([np.array([*tokenizer.encode(text).ids, 0]) for text in texts])
            count += len(texts)
        return count

    return read


def columns(samples: list[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(zip(*samples, strict=True))


def dataset(folder: Path) -> Any:
    urls = [str(path) for path in sorted(folder.glob("*.tar"))]
    return WebDataset(urls, shardshuffle=False)


def pictures(pixels: list[NDArray[np.uint8]]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pixels))


def padded(tokens: list[NDArray[Any]]) -> torch.Tensor:
    out = np.zeros((len(tokens), max(map(len, tokens))), dtype=np.int64)
    for row, ids in zip(out, tokens, strict=True):
        row[: len(ids)] = ids
    return torch.from_numpy(out)


def compare(what: str, ours: Callable[[], int], plain: Callable[[], int], goal: float) -> None:
    """Print what each reads in a CPU second, and the ratio."""
    speeds: dict[Callable[[], int], list[float]] = {ours: [], plain: []}
    for number in range(ROUNDS + 1):
        for read, found in speeds.items():
            began = time.process_time()
            count = read()
            if number:  # the first round warms the file cache
                found.append(count / (time.process_time() - began))
    ratio = statistics.median(a / b for a, b in zip(speeds[ours], speeds[plain], strict=True))
    print(
        f"{what} per CPU second: ours {statistics.median(speeds[ours]):,.0f}, plain webdataset "
        f"{statistics.median(speeds[plain]):,.0f}; {ratio:.2f} x, goal {goal}: "
        f"{'met' if ratio >= goal else 'missed'}"
    )


def indexed(what: str, build: Callable[[], object]) -> None:
    began = time.process_time()
    build()
    print(f"{what} indexed once: {time.process_time() - began:.2f} CPU s")


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        text, captions = Path(name) / "text", Path(name) / "collection" / "captions"
        write_text(text)
        write_captions(captions)
        print(f"{SEQUENCES} sequences of {SEQ_LEN} tokens, {PICTURES} pictures, batches of {BATCH}")
        indexed("tokens", lambda: token_index(text).write())
        indexed("captions", lambda: caption_index(captions).write())
        compare("tokens", our_text(text), plain_text(text), TEXT_GOAL)
        compare("pictures", our_pictures(captions), plain_pictures(captions), IMAGES_GOAL)


if __name__ == "__main__":
    main()
