"""Preparing: sizes, missing input, and calls that are cut short or repeated."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from models.data.benchmarks import prepare
from models.evaluation.index_file import load_benchmarks
from orchestrator.errors import ConfigError
from tests.models.data.benchmarks.tried import PARTIAL, Write, edit, refused, told


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


@pytest.mark.parametrize("name", ["../gqa", "/gqa", "", ".gqa", "a b", "benchmarks"])
def test_a_name_that_is_no_file_name_is_refused(name: str, write: Write, tmp_path: Path) -> None:
    folder = write("gqa", tmp_path / "files")
    with pytest.raises(ConfigError) as caught:
        prepare("gqa", folder, tmp_path / "part", {**PARTIAL, "name": name}, told)
    assert caught.value.where == "--as"
    assert not (tmp_path / "part").exists()
