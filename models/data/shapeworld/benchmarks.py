"""Questions about the test images, as rows of the published index formats. Pure.

Formats: vlm-evaluation's index files (VQAv2, POPE, RefCOCO, TallyQA). Rows go round the images, so
that every image is asked about equally often.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from models.data.shapeworld.conversations import box_shares
from models.data.shapeworld.language import absent_names, confusable
from models.data.shapeworld.questions import OF_IMAGES, QuestionKind, ask, counting, describe_one
from models.data.shapeworld.render import Picture
from models.data.shapeworld.scene import Scene

Row = dict[str, object]
"""One question in its published format."""

_ANNOTATORS = 10
"""Answers per question of VQAv2; here they always agree."""
_TRIES = 20
"""Draws per question of VQAv2: where images are few, questions repeat and there may be fewer."""


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkImage:
    """One image of the benchmarks."""

    path: str
    """Inside the part."""
    scene: Scene
    picture: Picture


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark: how its questions are drawn."""

    family: str
    """Whose format, prompt and metric it has."""
    rows: Callable[[Sequence[BenchmarkImage], int, Random], list[Row]]
    """Draws that many rows over the images."""


def _vqa(images: Sequence[BenchmarkImage], questions: int, rng: Random) -> list[Row]:
    kinds = [kind for kind in OF_IMAGES if kind is not QuestionKind.EXISTS]  # POPE asks that
    rows: dict[tuple[str, str], Row] = {}
    for number in range(_TRIES * questions):
        image = images[number % len(images)]
        kind = kinds[(number + number // len(images)) % len(kinds)]  # another one in each round
        question = ask(image.scene, kind, rng)
        if question is None or (image.path, question.text) in rows:
            continue
        rows[image.path, question.text] = {
            "question_id": len(rows),
            "question": question.text,
            "img_path": image.path,
            "answer": question.answer,
            "question_type": kind.value,
            "answer_type": "number" if kind is QuestionKind.COUNT else "other",
            "all_answers": [question.answer] * _ANNOTATORS,
        }
        if len(rows) == questions:
            break
    return list(rows.values())


def _pope(images: Sequence[BenchmarkImage], questions: int, rng: Random) -> list[Row]:
    per_split = questions // 6 * 2  # as many yes as no in each of three splits
    common = Counter(thing.name for image in images for thing in image.scene.things)
    rows: list[Row] = []
    for split in ("random", "popular", "adversarial"):
        for number in range(per_split):
            image = images[(number // 2) % len(images)]
            present = number % 2 == 0
            if present:
                name = rng.choice(image.scene.things).name
            else:
                name = _absent(image.scene, split, common, rng)
            rows.append(
                {
                    "question_id": len(rows),
                    "question": f"is there a {name}?",
                    "img_path": image.path,
                    "answer": "yes" if present else "no",
                    "split": split,
                    "split_question_id": number,
                }
            )
    return rows


def _absent(scene: Scene, split: str, common: Counter[str], rng: Random) -> str:
    """Draw a thing that is not there: any, one common elsewhere, or one easily confused."""
    names = absent_names(scene)
    if split == "random":
        return rng.choice(names)
    if split == "popular":
        ranked = sorted(names, key=lambda name: (-common[name], name))
        return rng.choice(ranked[:3])
    return rng.choice(confusable(scene, names))


def _refcoco(images: Sequence[BenchmarkImage], questions: int, rng: Random) -> list[Row]:
    rows: list[Row] = []
    for number in range(questions):
        image = images[number % len(images)]
        expression, thing = describe_one(image.scene, rng)
        rows.append(
            {
                "example_id": number,
                "ref_expression": expression,
                "img_path": image.path,
                "bbox": list(box_shares(image.picture, image.scene.things.index(thing))),
                "refer_dataset": "refcoco",
                "split": "val",
                "ref_id": number,
                "sent_id": number,
            }
        )
    return rows


def _count(images: Sequence[BenchmarkImage], questions: int, rng: Random) -> list[Row]:
    rows: list[Row] = []
    for number in range(questions):
        image = images[number % len(images)]
        split = "simple" if number < questions / 2 else "complex"
        text, answer = counting(image.scene, rng, coloured=split == "complex")
        rows.append(
            {
                "question_id": number,
                "question": text,
                "img_path": image.path,
                "answer": answer,
                "split": split,
            }
        )
    return rows


BENCHMARKS = {
    "shapeworld_vqa": Benchmark("vqa-v2", _vqa),
    "shapeworld_pope": Benchmark("pope", _pope),
    "shapeworld_refcoco": Benchmark("refcoco", _refcoco),
    "shapeworld_count": Benchmark("tally-qa", _count),
}
"""By name."""
