"""`sweep data benchmarks` as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]


def sweep(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["data", "benchmarks", *map(str, arguments)]
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def vizwiz(tmp_path: Path) -> Path:
    """Two of VizWiz's questions, one of them by nine people, in a folder with a space."""
    folder = tmp_path / "my vizwiz"
    (folder / "val").mkdir(parents=True)
    rows: list[dict[str, object]] = []
    for number, people in enumerate((10, 9)):
        image = f"VizWiz_val_{number:08d}.jpg"
        Image.new("RGB", (4, 4)).save(folder / "val" / image)
        answers = [{"answer": "red", "answer_confidence": "yes"}] * people
        rows.append({"image": image, "question": "?", "answers": answers, "answerable": 1})
    (folder / "val.json").write_text(json.dumps(rows))
    return folder


def test_a_part_of_a_data_set_is_refused_until_that_is_wanted(vizwiz: Path, tmp_path: Path) -> None:
    command = ["prepare", "vizwiz", "--from", vizwiz, "--data", tmp_path / "data"]
    refused = sweep(*command)
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        "sweep data: there are 2 questions, published are 4,319",
        "  where: vizwiz",
        "  mend:  download the whole data set, or take what is there with --partial",
    ]
    assert not (tmp_path / "data").exists()
    tried = sweep(*command, "--partial", "--dry-run")
    assert tried.stdout.startswith("would make vizwiz, vizwiz-official in ")
    assert not (tmp_path / "data").exists()
    done = sweep(*command, "--partial")
    assert done.returncode == 0, done.stderr
    part = tmp_path / "data/benchmarks-1/vision"
    assert done.stdout.splitlines() == [
        f"made vizwiz, vizwiz-official in {part}: 2 questions about 2 images",
        "  1 short answer lists",
        f"  an evaluation needs the models' tokenizer: put it at {part.parent / 'tokenizer.json'}",
    ]
    assert set(json.loads((part / "vizwiz.json").read_text())) == {"0", "1"}


def test_name_place_and_output_can_be_chosen(vizwiz: Path, tmp_path: Path) -> None:
    command = ["prepare", "vizwiz", "--from", vizwiz, "--data", tmp_path / "data", "--partial"]
    done = sweep(*command, "--as", "blind", "--into", "mine-2/vqa", "--images", "copy", "--json")
    made = json.loads(done.stdout)
    assert (made["benchmarks"], made["questions"]) == (["blind", "blind-official"], 2)
    declared = json.loads((tmp_path / "data/mine-2/vqa/benchmarks.json").read_text())
    assert set(declared) == {"blind", "blind-official"}


def test_what_can_be_prepared_is_listed_for_people_and_scripts() -> None:
    lines = sweep("list").stdout.splitlines()
    assert lines[0] == (
        "vqa-v2: 214,354 questions about 40,504 images, from visualqa.org/download.html, "
        "cocodataset.org"
    )
    assert lines[1] == "  makes vqa-v2, vqa-v2-official"
    assert lines[2] == "  reads v2_OpenEnded_mscoco_val2014_questions.json"
    listed = [json.loads(line) for line in sweep("list", "--json").stdout.splitlines()]
    assert [one["name"] for one in listed] == [
        *("vqa-v2", "gqa", "vizwiz", "text-vqa", "refcoco"),
        *("ocid-ref", "pope", "vsr", "tally-qa", "ai2d"),
        *("nocaps", "coco-captions"),
    ]
    sizes = {one["name"]: one["questions"][0] for one in listed}
    assert sizes["refcoco"] == 26488
    assert sum(sizes.values()) == 354_803


@pytest.mark.parametrize("command", ["prepare", "list"])
def test_every_subcommand_has_help_with_an_example(command: str) -> None:
    shown = " ".join(sweep(command, "--help").stdout.split())
    assert f"Example: sweep data benchmarks {command}" in shown
