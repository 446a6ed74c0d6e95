"""Preparing: damaged files of a data set are refused with file and place, and nothing is made."""

import json
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.data.benchmarks import prepare
from orchestrator.errors import DataError
from tests.models.data.benchmarks.tried import PARTIAL, Write, edit, refused, told

DUPLICATES: dict[str, tuple[str, Callable[[Any], object]]] = {
    "vqa-v2": (
        "v2_mscoco_val2014_annotations.json",
        lambda value: value["annotations"].append(value["annotations"][0]),
    ),
    "pope": ("coco_pope_random.json", lambda lines: lines.append(lines[0])),
    "tally-qa": ("test.json", lambda value: value.append(value[0])),
    "text-vqa": (
        "TextVQA_0.5.1_val.json",
        lambda value: value["data"].append(value["data"][0]),
    ),
}

DAMAGES: list[tuple[str, str, Callable[[Any], object]]] = [
    ("vqa-v2", "v2_mscoco_val2014_annotations.json", lambda v: v["annotations"][1].pop("image_id")),
    (
        "vqa-v2",
        "v2_mscoco_val2014_annotations.json",
        lambda v: v["annotations"][1].update(answers=[]),
    ),
    (
        "vqa-v2",
        "v2_mscoco_val2014_annotations.json",
        lambda v: v["annotations"][1].update(question_id=1),
    ),
    ("gqa", "testdev_balanced_questions.json", lambda v: v["201640614"].update(entailed=["a"])),
    ("gqa", "testdev_balanced_questions.json", lambda v: v["201640614"].update(imageId="../x")),
    ("vizwiz", "val.json", lambda v: v[1].update(answers=["no"])),
    ("vizwiz", "val.json", lambda v: v[1].update(answerable=3)),
    ("text-vqa", "TextVQA_0.5.1_val.json", lambda v: v["data"][1].update(answers="a")),
    ("ocid-ref", "val_expressions.json", lambda v: v["101"].update(take_id=21)),
    ("ocid-ref", "val_expressions.json", lambda v: v["101"].update(scene_path="/etc/x.png")),
    ("pope", "coco_pope_random.json", lambda v: v[1].update(label="maybe")),
    ("vsr", "test.jsonl", lambda v: v[1].update(label=2)),
    ("tally-qa", "test.json", lambda v: v[1].update(answer=-1)),
    ("tally-qa", "test.json", lambda v: v[1].update(answer=16)),
    ("tally-qa", "test.json", lambda v: v[1].update(issimple=None)),
    (
        "ai2d",
        "questions/10.png.json",
        lambda v: next(iter(v["questions"].values())).update(correctAnswer=4),
    ),
    ("ai2d", "questions/10.png.json", lambda v: v.update(questions=[])),
    ("nocaps", "nocaps_val_4500_captions.json", lambda v: v["annotations"][1].update(image_id=7)),
    ("nocaps", "nocaps_val_4500_captions.json", lambda v: v["annotations"][1].update(caption="")),
    ("coco-captions", "dataset_coco.json", lambda v: v["images"][0].update(sentences=[])),
    ("coco-captions", "dataset_coco.json", lambda v: v["images"][0].update(cocoid="x")),
]

LLAVA = [
    {"question_id": image, "image": f"{image}.jpg", "text": "what?\nReference OCR token: a"}
    for image in ("003a8ae2ef43b901", "00685bc495504d61")
]


@pytest.mark.parametrize(
    "box", ["[64, 48, 320]", "[64, 48, 320, 481]", "[320, 48, 64, 240]", "[64, 48", "x", None, [1]]
)
def test_a_box_of_the_wrong_shape_is_refused_with_its_place(
    box: object, write: Write, tmp_path: Path
) -> None:
    folder = write("ocid-ref", tmp_path / "files")
    edit(folder / "val_expressions.json", lambda value: value["101"].update(bbox=box))
    error = refused("ocid-ref", folder, tmp_path / "part")
    assert error.where == f"{folder / 'val_expressions.json'}: 101"
    assert error.what.startswith("bbox is")


@pytest.mark.parametrize("box", [[1, 2, 3], [600, 0, 41, 10], [1, 2, 0, 4], "1, 2, 3, 4", None])
def test_refcocos_boxes_are_refused_with_their_place_too(
    box: object, write: Write, tmp_path: Path
) -> None:
    folder = write("refcoco", tmp_path / "files")
    file = folder / "refcoco+/instances.json"
    edit(file, lambda value: value["annotations"][1].update(bbox=box))
    assert refused("refcoco", folder, tmp_path / "part").where == f"{file}: annotations: 1"


@pytest.mark.parametrize("name", DUPLICATES)
def test_an_id_that_is_there_twice_is_refused_with_both_places(
    name: str, write: Write, tmp_path: Path
) -> None:
    folder = write(name, tmp_path / "files")
    file, change = DUPLICATES[name]
    edit(folder / file, change)
    error = refused(name, folder, tmp_path / "part")
    assert "is there twice" in error.what
    assert file in error.what
    assert file in error.where
    assert error.where not in error.what


def test_a_key_that_is_there_twice_is_refused(write: Write, tmp_path: Path) -> None:
    folder = write("gqa", tmp_path / "files")
    file = folder / "testdev_balanced_questions.json"
    file.write_text(file.read_text().replace('"201640614": {', '"201307251": {', 1))
    assert refused("gqa", folder, tmp_path / "part").where == f"{file}: 201307251"


@pytest.mark.parametrize(
    ("name", "file"),
    [("gqa", "testdev_balanced_questions.json"), ("vsr", "test.jsonl"), ("vizwiz", "val.json")],
)
def test_text_that_is_not_utf8_is_refused_with_its_place(
    name: str, file: str, write: Write, tmp_path: Path
) -> None:
    folder = write(name, tmp_path / "files")
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content.replace(b"answer", b"answ\xe9r").replace(b"car", b"c\xe4r"))
    error = refused(name, folder, tmp_path / "part")
    assert "is no UTF-8" in error.what
    assert str(folder / file) in error.where


@pytest.mark.parametrize(("name", "file", "damage"), DAMAGES)
def test_a_damaged_row_is_refused_with_its_file_and_place(
    name: str, file: str, damage: Callable[[Any], object], write: Write, tmp_path: Path
) -> None:
    folder = write(name, tmp_path / "files")
    edit(folder / file, damage)
    error = refused(name, folder, tmp_path / "part")
    assert error.where.startswith(f"{folder / file}: ")


@pytest.mark.parametrize("missing", ["val.json", "val"])
def test_a_missing_file_is_named(missing: str, write: Write, tmp_path: Path) -> None:
    folder = write("vizwiz", tmp_path / "files")
    (folder / missing).rename(folder / "elsewhere")
    error = refused("vizwiz", folder, tmp_path / "part")
    assert error.what.startswith(f"there is no {missing} (or ")
    assert error.where == str(folder)


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[list[str]], int], tuple[list[str]]]:
        return subprocess.call, (["touch", str(self.path)],)


def test_a_pickle_is_refused_unread_and_its_conversion_is_told(
    write: Write, tmp_path: Path
) -> None:
    folder = write("refcoco", tmp_path / "files")
    (folder / "refcoco/refs(unc).json").unlink()
    pickled = folder / "refcoco/refs(unc).p"
    pickled.write_bytes(pickle.dumps(Bomb(tmp_path / "went off")))
    error = refused("refcoco", folder, tmp_path / "part")
    assert error.where == str(pickled)
    assert "json.dump(pickle.load(open('refs(unc).p', 'rb'))" in error.mend
    assert not (tmp_path / "went off").exists()


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        (LLAVA[:1], "textvqa_val_v051_ocr.jsonl"),
        (LLAVA[::-1], "textvqa_val_v051_ocr.jsonl: line 1"),
        ([LLAVA[0], {**LLAVA[1], "text": None}], "textvqa_val_v051_ocr.jsonl: line 2"),
    ],
)
def test_llavas_questions_have_to_be_those_of_textvqa_in_its_order(
    lines: list[dict[str, object]], where: str, write: Write, tmp_path: Path
) -> None:
    folder = write("text-vqa", tmp_path / "files")
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "textvqa_val_v051_ocr.jsonl").write_text(text)
    assert refused("text-vqa", folder, tmp_path / "part").where == str(folder / where)


def test_an_image_without_ocr_tokens_is_refused(write: Write, tmp_path: Path) -> None:
    folder = write("text-vqa", tmp_path / "files")
    edit(folder / "TextVQA_Rosetta_OCR_v0.2_val.json", lambda value: value["data"].pop())
    error = refused("text-vqa", folder, tmp_path / "part")
    assert error.where == f"{folder / 'TextVQA_0.5.1_val.json'}: data: 0"


@pytest.mark.parametrize(
    ("file", "content", "where"),
    [
        ("ai2d_test_ids.csv", "10\nten\n", "ai2d_test_ids.csv: line 2"),
        ("questions/notes.json", "{}", "questions/notes.json"),
        ("questions/3.png.json", "[]", "questions/3.png.json"),
        ("questions/3.png.json", '{"imageName": "3.png"}', "questions/3.png.json: questions"),
    ],
)
def test_stray_or_damaged_files_of_ai2d_are_refused(
    file: str, content: str, where: str, write: Write, tmp_path: Path
) -> None:
    folder = write("ai2d", tmp_path / "files")
    (folder / file).write_text(content)
    assert refused("ai2d", folder, tmp_path / "part").where == str(folder / where)


def test_a_damaged_list_of_benchmarks_is_refused_and_kept(write: Write, tmp_path: Path) -> None:
    folder, part = write("gqa", tmp_path / "files"), tmp_path / "part"
    part.mkdir()
    (part / "benchmarks.json").write_text("{")
    with pytest.raises(DataError) as caught:
        prepare("gqa", folder, part, PARTIAL, told)
    assert caught.value.where == str(part / "benchmarks.json")
    assert (part / "benchmarks.json").read_text() == "{"
