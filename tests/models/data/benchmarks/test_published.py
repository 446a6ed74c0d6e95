"""Each data set from its published files: rows, order, ways and what is read."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from models.data.benchmarks import prepare, published
from models.data.images import open_images
from models.evaluation.index_file import load_benchmarks
from orchestrator.errors import ConfigError

Write = Callable[[str, Path], Path]
PARTIAL = {"partial": True}

ROWS: dict[str, dict[str, dict[str, Any]]] = {
    "vqa-v2": {
        "42000": {
            "question_id": 42000,
            "question": "What colour is it?",
            "img_path": "images/coco-val2014/COCO_val2014_000000000042.jpg",
            "answer": "red",
            "question_type": "what color",
            "answer_type": "other",
            "all_answers": ["red"] * 6 + ["dark red"] * 4,
        }
    },
    "gqa": {
        "201307251": {
            "question_id": 201307251,
            "question": "Is the sky dark?",
            "img_path": "images/gqa/n161313.jpg",
            "answer": "yes",
            "fullAnswer": "It is yes.",
            "semanticStr": "select: sky (2486325)->verify color: dark [0]",
            "entailed": [201307252],
            "equivalent": [201640614],
        }
    },
    "vizwiz": {
        "1": {
            "question_id": 1,
            "question": "Can you tell me what this medicine is please?",
            "img_path": "images/vizwiz/VizWiz_val_00000001.jpg",
            "answers": [[{"answer": "unanswerable", "answer_confidence": "maybe"}] * 10],
            "answerable": 0,
        }
    },
    "text-vqa": {
        "34602": {
            "question_id": 34602,
            "question": "what brand is it?\nReference OCR token: dakota, DIGITAL",
            "img_path": "images/text-vqa/003a8ae2ef43b901.jpg",
            "answers": ["dakota"] * 9 + ["nous les gosses"],
        }
    },
    "refcoco": {
        "RefCOCO+-1-11": {
            "example_id": "RefCOCO+-1-11",
            "ref_expression": "the lady 1",
            "img_path": "images/coco-train2014/COCO_train2014_000000581857.jpg",
            "bbox": [0.1, 0.1, 0.6, 0.35],  # 64, 42, 384, 148 of 640 x 424
            "refer_dataset": "RefCOCO+",
            "split": "val",
            "ref_id": 1,
            "sent_id": 11,
        }
    },
    "ocid-ref": {
        "100": {
            "example_id": 100,
            "ref_expression": "the red apple",
            "img_path": "images/ocid-ref/ARID10/floor/bottom/box/seq01/rgb/result_09.png",
            "bbox": [0.1, 0.1, 0.5, 0.5],
            "clutter_split": "Minimum Clutter",
            "split": "val",
        }
    },
    "pope": {
        "popular-2": {
            "question_id": "popular-2",
            "question": "Is there a car in the image?",
            "img_path": "images/coco-val2014/COCO_val2014_000000000042.jpg",
            "answer": "no",
            "split": "popular",
            "split_question_id": 2,
        }
    },
    "vsr": {
        "0": {
            "example_id": 0,
            "caption": "The car is behind the suitcase.",
            "img_path": "images/vsr/000000017697.jpg",
            "true_false": True,
            "subj": "car",
            "obj": "suitcase",
            "relation": "behind",
        }
    },
    "tally-qa": {
        "30095774": {
            "question_id": 30095774,
            "question": "How many headlights does the black bus have?",
            "img_path": "images/tally-qa/VG_100K_2/2410408.jpg",
            "answer": 4,
            "split": "complex",
        }
    },
    "ai2d": {
        "2": {
            "question_id": 2,
            "question": "What is A in the diagram?",
            "img_path": "images/ai2d/10.png",
            "answer_choices": ["ears", "nose", "mouth", "face"],
            "answer_label": 3,
            "split": "test",
        }
    },
    "nocaps": {
        "0": {
            "image_id": 0,
            "captions": ["A baby is standing.", "The baby smiles."],
            "img_path": "images/nocaps/0013ea2087020901.jpg",
            "domain": "in-domain",
        }
    },
    "coco-captions": {
        "391895": {
            "image_id": 391895,
            "captions": ["A man by 391895 hills.", "Hills"],
            "img_path": "images/coco-val2014/COCO_val2014_000000391895.jpg",
        }
    },
}
"""One row of each index file, by its id."""

ORDER = {
    "vqa-v2": ["73000", "42001", "42000"],
    "gqa": ["201307251", "201640614"],
    "vizwiz": ["0", "1"],
    "text-vqa": ["34602", "34603"],
    "refcoco": [
        f"{name}-1-{sent}" for name in ("RefCOCO", "RefCOCO+", "RefCOCOg") for sent in (10, 11)
    ],
    "ocid-ref": ["100", "101", "102"],
    "pope": [f"{split}-{i}" for split in ("adversarial", "popular", "random") for i in (1, 2)],
    "vsr": ["0", "1"],
    "tally-qa": ["30095774", "30095775"],
    "ai2d": ["0", "1", "2", "3"],
    "nocaps": ["0", "1", "2"],
    "coco-captions": ["391895", "60623"],
}
"""Ids in the published order."""


def told(_: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("name", ROWS)
def test_rows_have_the_keys_and_values_of_vlm_evaluations_index(
    name: str, write: Write, tmp_path: Path
) -> None:
    part = tmp_path / "benchmarks-1" / "vision"
    made = prepare(name, write(name, tmp_path / "a user's files"), part, PARTIAL, told)
    index = json.loads((part / f"{name}.json").read_text())
    ((key, row),) = ROWS[name].items()
    assert index[key] == row
    assert made["questions"] == len(index) == len(ORDER[name])


@pytest.mark.parametrize("name", ROWS)
def test_questions_are_shuffled_once_by_the_published_seed(
    name: str, write: Write, tmp_path: Path
) -> None:
    prepare(name, write(name, tmp_path / "files"), tmp_path / "part", PARTIAL, told)
    expected = list(ORDER[name])
    Random(21).shuffle(expected)
    assert list(json.loads((tmp_path / "part" / f"{name}.json").read_text())) == expected


@pytest.mark.parametrize("name", ROWS)
def test_every_way_of_asking_is_declared_and_its_images_are_found(
    name: str, write: Write, tmp_path: Path
) -> None:
    made = prepare(name, write(name, tmp_path / "files"), tmp_path / "part", PARTIAL, told)
    declared = made["benchmarks"]
    assert isinstance(declared, list)
    (described,) = [one for one in published() if one["name"] == name]
    assert declared == described["benchmarks"]
    images = open_images(tmp_path / "part")
    for benchmark in load_benchmarks(tmp_path / "part", tuple(map(str, declared))):
        for question in benchmark.questions:
            assert images.pixels(images.index(question.image)).shape == (8, 12, 3)


def test_clutter_follows_the_take(write: Write, tmp_path: Path) -> None:
    prepare("ocid-ref", write("ocid-ref", tmp_path), tmp_path / "part", PARTIAL, told)
    rows = json.loads((tmp_path / "part/ocid-ref.json").read_text())
    clutter = {key: row["clutter_split"] for key, row in rows.items()}
    assert clutter == {
        "100": "Minimum Clutter",
        "101": "Medium Clutter",
        "102": "Maximum Clutter",
    }


def test_llavas_questions_are_preferred_and_lose_what_is_asked_anyway(
    write: Write, tmp_path: Path
) -> None:
    write("text-vqa", tmp_path)
    lines = [
        {
            "question_id": image,
            "image": f"{image}.jpg",
            "text": f"{question}\nReference OCR token: {words}"
            "\nAnswer the question using a single word or phrase.",
            "category": "default",
        }
        for image, question, words in (
            ("003a8ae2ef43b901", "what brand is it?", "L, DAKOTA"),
            ("00685bc495504d61", "who is it by?", "MIS, COPAINS"),
        )
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "llava_textvqa_val_v051_ocr.jsonl").write_text(text)
    prepare("text-vqa", tmp_path, tmp_path / "part", PARTIAL, told)
    rows = json.loads((tmp_path / "part/text-vqa.json").read_text())
    assert rows["34602"]["question"] == "what brand is it?\nReference OCR token: L, DAKOTA"


def test_without_ocr_tokens_questions_are_asked_pure_alone(write: Write, tmp_path: Path) -> None:
    write("text-vqa", tmp_path)
    (tmp_path / "TextVQA_Rosetta_OCR_v0.2_val.json").unlink()
    lines: list[str] = []
    made = prepare("text-vqa", tmp_path, tmp_path / "part", PARTIAL, lines.append)
    assert made["benchmarks"] == ["text-vqa"]
    assert "no OCR tokens" in lines[0]


def test_without_the_list_of_test_diagrams_splits_are_not_told_apart(
    write: Write, tmp_path: Path
) -> None:
    write("ai2d", tmp_path)
    (tmp_path / "ai2d_test_ids.csv").unlink()
    prepare("ai2d", tmp_path, tmp_path / "part", PARTIAL, told)
    (benchmark,) = load_benchmarks(tmp_path / "part", ("ai2d",))
    assert {question.group for question in benchmark.questions} == {""}


def test_an_unknown_data_set_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare("okvqa", tmp_path, tmp_path / "part", {}, told)
    assert "vqa-v2, gqa" in caught.value.mend
