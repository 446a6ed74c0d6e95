"""Preparing: sizes, missing and damaged input, and calls that are cut short or repeated."""

import hashlib
import json
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.data.benchmarks import prepare
from models.evaluation.index_file import load_benchmarks
from orchestrator.errors import ConfigError, DataError

Write = Callable[[str, Path], Path]
PARTIAL: dict[str, object] = {"partial": True}


def told(_: str) -> None:
    """Nobody listens."""


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON file, or each line of one, in place."""
    if path.suffix == ".jsonl" or path.name.startswith("coco_pope"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        change(lines)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))


def refused(name: str, folder: Path, part: Path, **options: object) -> DataError:
    """Return why a data set is refused; nothing is declared then."""
    with pytest.raises(DataError) as caught:
        prepare(name, folder, part, {**PARTIAL, **options}, told)
    assert not (part / "benchmarks.json").exists()
    return caught.value


@pytest.fixture
def whole_vsr(write: Write, tmp_path: Path) -> Path:
    """As many statements and images as are published."""
    folder = write("vsr", tmp_path / "vsr")
    one = json.loads((folder / "test.jsonl").read_text().splitlines()[0])
    names = [f"{number % 715:012d}.jpg" for number in range(1222)]
    text = "".join(json.dumps({**one, "image": name}) + "\n" for name in names)
    (folder / "test.jsonl").write_text(text)
    for name in set(names):
        os.link(folder / "images" / "000000017697.jpg", folder / "images" / name)
    return folder


def test_a_whole_data_set_is_made_without_being_asked_to_be_lenient(
    whole_vsr: Path, tmp_path: Path
) -> None:
    made = prepare("vsr", whole_vsr, tmp_path / "part", {}, told)
    assert (made["questions"], made["images"], made["missing_images"]) == (1222, 715, 0)
    declared = json.loads((tmp_path / "part/benchmarks.json").read_text())
    assert declared["vsr"]["prepared"]["questions"] == 1222
    digest = hashlib.sha256((whole_vsr / "test.jsonl").read_bytes()).hexdigest()
    assert declared["vsr"]["prepared"]["files"] == {"test.jsonl": digest}


def test_one_statement_less_is_refused_and_both_numbers_are_named(
    whole_vsr: Path, tmp_path: Path
) -> None:
    edit(whole_vsr / "test.jsonl", lambda lines: lines.pop())
    error = refused("vsr", whole_vsr, tmp_path / "part", partial=False)
    assert error.what == "there are 1,221 questions, published are 1,222"
    assert "--partial" in error.mend
    lines: list[str] = []
    prepare("vsr", whole_vsr, tmp_path / "part", PARTIAL, lines.append)
    assert lines[-1].startswith("vsr: 1,221 questions, published are 1,222")


def test_fewer_different_images_than_published_are_refused(whole_vsr: Path, tmp_path: Path) -> None:
    edit(
        whole_vsr / "test.jsonl",
        lambda lines: [line.update(image="000000000001.jpg") for line in lines],
    )
    error = refused("vsr", whole_vsr, tmp_path / "part", partial=False)
    assert error.what == "there are 1 images, published are 715"


def test_a_slim_size_is_less_than_published(write: Write, tmp_path: Path) -> None:
    folder = write("gqa", tmp_path / "files")

    def change(value: Any) -> None:
        one = value["201307251"]
        value.clear()
        value.update({str(number): one for number in range(1024)})

    edit(folder / "testdev_balanced_questions.json", change)
    error = refused("gqa", folder, tmp_path / "part", partial=False)
    assert error.what == "there are 1,024 questions, published are 12,578"


def test_a_missing_image_is_refused_or_its_questions_are_left_out(
    write: Write, tmp_path: Path
) -> None:
    folder, part = write("vqa-v2", tmp_path / "files"), tmp_path / "part"
    (folder / "val2014/COCO_val2014_000000000042.jpg").unlink()
    error = refused("vqa-v2", folder, part, partial=False)
    assert error.what.startswith("1 images of 2 questions are missing, such as")
    assert "v2_mscoco_val2014_annotations.json: annotations: " in error.where
    made = prepare("vqa-v2", folder, part, PARTIAL, told)
    assert (made["questions"], made["missing_images"]) == (1, 2)
    assert list(json.loads((part / "vqa-v2.json").read_text())) == ["73000"]


def test_without_any_image_nothing_is_made(write: Write, tmp_path: Path) -> None:
    folder = write("gqa", tmp_path / "files")
    for image in (folder / "images").iterdir():
        image.unlink()
    assert refused("gqa", folder, tmp_path / "part").what.startswith("2 images of 2 questions")


def test_what_can_be_asked_is_counted(write: Write, tmp_path: Path) -> None:
    folder = write("vqa-v2", tmp_path / "files")

    def change(value: Any) -> None:
        value["annotations"][0]["answers"].pop()

    edit(folder / "v2_mscoco_val2014_annotations.json", change)
    edit(
        folder / "v2_OpenEnded_mscoco_val2014_questions.json",
        lambda value: value["questions"][0].update(question=""),
    )
    made = prepare("vqa-v2", folder, tmp_path / "part", PARTIAL, told)
    assert made["problems"] == {"empty_questions": 1, "short_answer_lists": 1}
    (benchmark,) = load_benchmarks(tmp_path / "part", ("vqa-v2",))
    assert len(benchmark.questions) == 3


def test_a_box_that_rounding_makes_flat_is_counted(write: Write, tmp_path: Path) -> None:
    folder = write("ocid-ref", tmp_path / "files")
    edit(
        folder / "val_expressions.json", lambda value: value["100"].update(bbox="[64, 48, 65, 240]")
    )
    made = prepare("ocid-ref", folder, tmp_path / "part", PARTIAL, told)
    assert made["problems"] == {"flat_boxes": 1}


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


def test_a_call_that_was_cut_short_goes_on(write: Write, tmp_path: Path) -> None:
    folder, part = write("gqa", tmp_path / "files"), tmp_path / "part"
    in_the_way = part / "images/gqa/n235859.jpg"
    in_the_way.mkdir(parents=True)  # so that the second image cannot be put there
    error = refused("gqa", folder, part)
    assert str(in_the_way) in error.where
    assert not (part / "gqa.json").exists()
    first = (part / "images/gqa/n161313.jpg").stat()
    in_the_way.rmdir()
    prepare("gqa", folder, part, PARTIAL, told)
    assert (part / "images/gqa/n161313.jpg").stat() == first
    load_benchmarks(part, ("gqa", "gqa-official"))


def test_a_second_call_makes_the_same_bytes_and_leaves_others_alone(
    write: Write, tmp_path: Path
) -> None:
    part = tmp_path / "part"
    write("vqa-v2", tmp_path / "coco")
    write("pope", tmp_path / "coco")
    prepare("vqa-v2", tmp_path / "coco", part, PARTIAL, told)
    prepare("pope", tmp_path / "coco", part, PARTIAL, told)
    before = {path: path.read_bytes() for path in part.rglob("*") if path.is_file()}
    prepare("vqa-v2", tmp_path / "coco", part, PARTIAL, told)
    after = {path: path.read_bytes() for path in part.rglob("*") if path.is_file()}
    assert after == before
    load_benchmarks(part, ("vqa-v2", "vqa-v2-official", "pope"))
    images = {path.name for path in part.rglob("*.jpg")}
    assert len(list(part.rglob("*.jpg"))) == len(images) == 2  # both ask about one set


def test_a_dry_run_writes_nothing(write: Write, tmp_path: Path) -> None:
    folder = write("gqa", tmp_path / "files")
    made = prepare("gqa", folder, tmp_path / "part", {**PARTIAL, "dry_run": True}, told)
    assert (made["questions"], made["written"]) == (2, False)
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize(
    ("placing", "is_link", "is_same"),
    [("link", False, True), ("copy", False, False), ("symlink", True, True)],
)
def test_images_are_linked_or_copied(
    placing: str, is_link: bool, is_same: bool, write: Write, tmp_path: Path
) -> None:
    folder, part = write("gqa", tmp_path / "files"), tmp_path / "part"
    prepare("gqa", folder, part, {**PARTIAL, "placing": "copy"}, told)
    prepare("gqa", folder, part, {**PARTIAL, "placing": "symlink"}, told)
    prepare("gqa", folder, part, {**PARTIAL, "placing": placing}, told)  # over what is there
    source, target = folder / "images/n161313.jpg", part / "images/gqa/n161313.jpg"
    assert target.is_symlink() is is_link
    assert source.samefile(target) is is_same
    assert source.read_bytes() == target.read_bytes()


def test_a_copy_takes_the_place_of_a_link(write: Write, tmp_path: Path) -> None:
    folder, part = write("gqa", tmp_path / "files"), tmp_path / "part"
    prepare("gqa", folder, part, {**PARTIAL, "placing": "link"}, told)
    prepare("gqa", folder, part, {**PARTIAL, "placing": "copy"}, told)
    source, target = folder / "images/n161313.jpg", part / "images/gqa/n161313.jpg"
    assert not source.samefile(target)
    assert source.read_bytes() == target.read_bytes()


@pytest.mark.parametrize("placing", ["link", "copy", "symlink"])
def test_images_that_lie_in_the_part_already_survive(
    placing: str, write: Write, tmp_path: Path
) -> None:
    folder = write("gqa", tmp_path / "part/images")
    (folder / "images").rename(folder / "gqa")
    (folder / "images").symlink_to(folder / "gqa")
    prepare("gqa", folder, tmp_path / "part", {**PARTIAL, "placing": placing}, told)
    image = folder / "gqa/n161313.jpg"
    assert image.is_file()
    assert not image.is_symlink()


def test_an_unknown_way_of_placing_images_is_refused(write: Write, tmp_path: Path) -> None:
    folder = write("gqa", tmp_path / "files")
    with pytest.raises(ConfigError) as caught:
        prepare("gqa", folder, tmp_path / "part", {"placing": "move"}, told)
    assert caught.value.where == "--images"


def test_a_refcoco_that_is_not_there_is_told_and_can_be_done_without(
    write: Write, tmp_path: Path
) -> None:
    folder = write("refcoco", tmp_path / "files")
    (folder / "refcocog").rename(tmp_path / "elsewhere")
    lines: list[str] = []
    prepare("refcoco", folder, tmp_path / "part", PARTIAL, lines.append)
    assert lines[0] == "there is no refcocog"
    (benchmark,) = load_benchmarks(tmp_path / "part", ("refcoco",))
    assert {question.group for question in benchmark.questions} == {"RefCOCO", "RefCOCO+"}


LLAVA = [
    {"question_id": image, "image": f"{image}.jpg", "text": "what?\nReference OCR token: a"}
    for image in ("003a8ae2ef43b901", "00685bc495504d61")
]


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


@pytest.mark.parametrize("name", ["../gqa", "/gqa", "", ".gqa", "a b", "benchmarks"])
def test_a_name_that_is_no_file_name_is_refused(name: str, write: Write, tmp_path: Path) -> None:
    folder = write("gqa", tmp_path / "files")
    with pytest.raises(ConfigError) as caught:
        prepare("gqa", folder, tmp_path / "part", {**PARTIAL, "name": name}, told)
    assert caught.value.where == "--as"
    assert not (tmp_path / "part").exists()
