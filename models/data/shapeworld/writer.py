"""Writing a world's parts, each in its published format."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from models.data.parts import index_part
from models.data.shapeworld.benchmarks import BENCHMARKS, BenchmarkImage
from models.data.shapeworld.config import GRID, ShapeworldConfig
from models.data.shapeworld.conversations import Room, image_row, image_turns, text_rows
from models.data.shapeworld.corpus import Corpus
from models.data.shapeworld.facts import Fact, Facts
from models.data.shapeworld.language import caption
from models.data.shapeworld.render import Picture, png, render
from models.data.shapeworld.scene import CLASSES, Scene, Split, draw_scenes
from models.data.shapeworld.tasks import fact_rows, scene_rows, sum_rows, task_yaml
from models.data.shapeworld.vocabulary import WordEncoder, build_tokenizer
from models.data.shards import write_token_shards
from models.data.tars import Sample, write_samples
from models.data.tokenizer import END_OF_TEXT, tokenizer_file
from orchestrator.store.files import write_json, write_text

Report = Callable[[str], None]
"""Takes a line about what is being made."""


@dataclass(frozen=True, slots=True, eq=False)
class _Example:
    """A drawn scene and its number in its part."""

    number: int
    scene: Scene
    picture: Picture


class WorldWriter:
    """Writes the parts one after the other. Each part has its own random numbers, by its name.

    Args:
        config: what to make.
        folder: an empty folder that the parts are written in.
        report: called with a line about each part as it is begun.
    """

    def __init__(self, config: ShapeworldConfig, folder: Path, report: Report) -> None:
        self.config, self.folder, self.report = config, folder, report
        self.tokenizer = build_tokenizer()
        self.encode = WordEncoder(self.tokenizer)
        self.facts = Facts(config.entities, config.zipf_exponent, self.rng("facts"))

    def rng(self, name: str) -> Random:
        """Return the random numbers of one purpose, whatever else is made."""
        return Random(f"shapeworld/{self.config.release}/{self.config.seed}/{name}")

    def write(self) -> dict[str, int]:
        """Write all parts and return their counts."""
        config = self.config
        write_text(tokenizer_file(self.folder), self.tokenizer.to_str(pretty=True) + "\n")
        mentions = self.text("text", Split.TRAIN, config.text_sequences)
        self.text("text_val", Split.VAL, config.val_sequences)
        self.pictures("captions", Split.TRAIN, config.train_images)
        self.pictures("captions_val", Split.VAL, config.val_images)
        self.pictures("scenes", Split.SCENES, config.scene_images)
        rows = self.instructions()
        benchmarks = self.benchmarks()
        tasks = self.tasks(mentions)
        for part in ("text", "text_val", "captions", "captions_val", "scenes", "instructions"):
            self.report(f"indexing {part}")
            index_part(self.folder / part, most_bad=0)
        return {
            "vocabulary": self.tokenizer.get_vocab_size(),
            "text_tokens": config.text_sequences * config.seq_len,
            "facts_in_text": len(mentions),
            "instruction_rows": rows,
            **benchmarks,
            **tasks,
        }

    def text(self, part: str, split: Split, sequences: int) -> Counter[Fact]:
        """Write a part of token shards and count the facts that it states."""
        self.report(f"writing {part}: {sequences} sequences")
        mentions: Counter[Fact] = Counter()
        corpus = Corpus(self.facts, split, self.rng(part))
        ids = _tokens(corpus, self.encode, sequences * (self.config.seq_len + 1), mentions)
        rows = ids.reshape(sequences, self.config.seq_len + 1)
        write_token_shards(self.folder / part, list(rows), self.config.shard_samples)
        return mentions

    def pictures(self, part: str, split: Split, images: int) -> None:
        """Write a part of captioned images with their scenes."""
        self.report(f"writing {part}: {images} images")
        (self.folder / part).mkdir()
        rng = self.rng(f"{part}/words")
        samples = (_sample(example, rng) for example in self.examples(part, split, images))
        for shard in range(-(-images // self.config.shard_samples)):
            path = self.folder / part / f"{shard:08d}.tar"
            write_samples(path, islice(samples, self.config.shard_samples))

    def examples(self, part: str, split: Split, images: int) -> Iterator[_Example]:
        """Draw and render the scenes of a part."""
        layout = self.rng(f"{part}/layout")
        noise = np.random.default_rng(layout.getrandbits(64))
        scenes = draw_scenes(self.rng(f"{part}/scenes"), split)
        for number, scene in enumerate(islice(scenes, images)):
            picture = render(scene, self.config.image_size, layout, noise)
            yield _Example(number, scene, picture)

    def instructions(self) -> int:
        """Write LLaVA's rows with their images, and return how many rows there are."""
        config, part = self.config, "instructions"
        self.report(f"writing {part}: {config.instruction_images} images, {config.text_rows} texts")
        images, rng = self.image_folder(part), self.rng(f"{part}/words")
        rows: list[dict[str, object]] = []
        for example in self.examples(part, Split.INSTRUCTIONS, config.instruction_images):
            key = f"instruction_{example.number:06d}"
            (images / f"{key}.png").write_bytes(png(example.picture.pixels))
            turns = image_turns(example.scene, example.picture, self.room(GRID**2), rng)
            rows.append(image_row(key, f"images/{key}.png", turns))
        rows += text_rows(config.text_rows, self.facts, self.room(before=1), rng)
        write_text(self.folder / part / "llava.json", json.dumps(rows, indent=1) + "\n")
        return len(rows)

    def room(self, before: int) -> Room:
        """Return what fits in a row of instructions after so many positions."""
        config = self.config
        return Room(config.questions_per_image, config.seq_len + 1 - before, self.encode)

    def benchmarks(self) -> dict[str, int]:
        """Write the test images and the questions about them; return the questions of each."""
        part = "benchmarks"
        self.report(f"writing {part}: {self.config.test_images} images")
        folder, images = self.folder / part, self.image_folder(part)
        tests: list[BenchmarkImage] = []
        for example in self.examples(part, Split.TEST, self.config.test_images):
            path = f"images/test_{example.number:06d}.png"
            (images.parent / path).write_bytes(png(example.picture.pixels))
            tests.append(BenchmarkImage(path, example.scene, example.picture))
        index: dict[str, dict[str, str]] = {}
        counts: dict[str, int] = {}
        for name, benchmark in BENCHMARKS.items():
            rows = benchmark.rows(tests, self.config.questions, self.rng(name))
            by_id = {str(number): row for number, row in enumerate(rows)}
            write_text(folder / f"{name}.json", json.dumps(by_id, indent=1) + "\n")
            index[name] = {
                "family": benchmark.family,
                "index": f"{name}.json",
                "wording": "plain",  # instructions do not ask for a short answer either
            }
            counts[name] = len(rows)
        write_json(folder / "benchmarks.json", index)
        return counts

    def tasks(self, mentions: Counter[Fact]) -> dict[str, int]:
        """Write the harness's tasks; return the questions of each."""
        folder, questions = self.folder / "benchmarks" / "tasks", self.config.questions
        folder.mkdir()
        tasks = {
            "shapeworld_facts": fact_rows(mentions, questions, self.rng("facts task")),
            "shapeworld_sums": sum_rows(questions, self.rng("sums task")),
            "shapeworld_scenes": scene_rows(questions, self.rng("scenes task")),
        }
        for name, rows in tasks.items():
            write_text(folder / f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
            write_text(folder / f"{name}.yaml", task_yaml(name))
        return {name: len(rows) for name, rows in tasks.items()}

    def image_folder(self, part: str) -> Path:
        """Make the folder of a part's images."""
        folder = self.folder / part / "images"
        folder.mkdir(parents=True)
        return folder


def _sample(example: _Example, rng: Random) -> Sample:
    scene, boxes = example.scene, example.picture.boxes
    things = [
        {"cell": thing.cell, "colour": thing.colour, "shape": thing.shape, "box": box}
        for thing, box in zip(scene.things, boxes, strict=True)
    ]
    label = {"patches": scene.patches, "classes": CLASSES, "things": things}
    fields = {
        "png": png(example.picture.pixels),
        "txt": caption(scene, rng).encode(),
        "json": json.dumps(label).encode(),
    }
    return Sample(f"{example.number:012d}", fields)


def _tokens(
    corpus: Corpus, encode: WordEncoder, length: int, mentions: Counter[Fact]
) -> NDArray[np.uint16]:
    """Draw documents, each with its `END_OF_TEXT`, until `length` ids are there.

    Facts of documents that are there as a whole are counted in `mentions`.
    """
    ids: list[int] = []
    while len(ids) < length:
        document = corpus.draw()
        ids += encode(document.text)
        ids.append(END_OF_TEXT)
        if len(ids) <= length:
            mentions.update(document.facts)
    return np.array(ids[:length], dtype=np.uint16)
