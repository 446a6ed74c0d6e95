"""Index files of vlm-evaluation are taken as they are."""

import json
from pathlib import Path

import pytest
from PIL import Image

from models.data.benchmarks import prepare
from models.evaluation.index_file import load_benchmarks
from orchestrator.errors import DataError


def told(_: str) -> None:
    """Nobody listens."""


def write_index(root: Path, questions: int) -> Path:
    """Write an index of GQA as vlm-evaluation lays it out: paths are relative to its root."""
    image = root / "download/gqa/images/n1.jpg"
    image.parent.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(image)
    rows = {
        str(number): {
            "question_id": number,
            "question": "what?",
            "img_path": "download/gqa/images/n1.jpg",
            "answer": "red",
            "fullAnswer": "It is red.",
            "semanticStr": "select",
            "entailed": [],
            "equivalent": [number],
        }
        for number in reversed(range(questions))
    }
    index = root / "datasets/gqa/metadata-slim-1024.json"
    index.parent.mkdir(parents=True)
    index.write_text(json.dumps(rows))
    return index


def test_rows_and_their_order_are_kept_and_a_slim_size_is_whole(tmp_path: Path) -> None:
    index, part = write_index(tmp_path / "tri", 1024), tmp_path / "part"
    made = prepare("gqa", index, part, {"name": "gqa-slim"}, told)
    assert made["benchmarks"] == ["gqa-slim", "gqa-slim-official"]
    (benchmark,) = load_benchmarks(part, ("gqa-slim",))
    assert [question.question_id for question in benchmark.questions[:2]] == ["1023", "1022"]
    assert (part / benchmark.questions[0].image).is_file()


def test_another_size_is_refused(tmp_path: Path) -> None:
    index = write_index(tmp_path / "tri", 1000)
    with pytest.raises(DataError) as caught:
        prepare("gqa", index, tmp_path / "part", {}, told)
    assert caught.value.what == "there are 1,000 questions, published are 12,578 or 1,024"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"img_path": "../tri/download/gqa/images/n1.jpg"}, "img_path is '../tri"),
        ({"answer": None}, "answer is None"),
        ({"img_path": "x.jpg"}, "1 images of 1 questions are missing"),
    ],
)
def test_a_damaged_row_is_refused_with_its_place(
    change: dict[str, object], what: str, tmp_path: Path
) -> None:
    index = write_index(tmp_path / "tri", 1024)
    rows = json.loads(index.read_text())
    rows["5"].update(change)
    index.write_text(json.dumps(rows))
    with pytest.raises(DataError) as caught:
        prepare("gqa", index, tmp_path / "part", {}, told)
    assert caught.value.where == f"{index}: 5"
    assert caught.value.what.startswith(what)


def test_an_index_of_another_data_set_is_refused(tmp_path: Path) -> None:
    index = write_index(tmp_path / "tri", 1024)
    with pytest.raises(DataError) as caught:
        prepare("vizwiz", index, tmp_path / "part", {}, told)
    assert caught.value.where.startswith(f"{index}: ")
