"""AI2D's questions, as allenai.org publishes them."""

from collections.abc import Iterator
from pathlib import Path

from models.data.benchmarks.download import Download, as_row, inside, read_json
from models.data.benchmarks.published import Found, Published, Way
from orchestrator.errors import DataError

_TEST_IDS = "ai2d_test_ids.csv"


def _read(download: Download) -> Iterator[Found]:
    """Yield the questions of each diagram, by its number; ids count them all.

    A file may ask the same question twice under one key: the last one counts, as for everyone who
    reads it with a common JSON reader.
    """
    questions = download.path("questions", "ai2d/questions", "val_qa/questions")
    images = download.path("images", "ai2d/images", "val_qa/images")
    test = _test_numbers(download)
    key = 0
    for number, file in sorted((_number(file), file) for file in questions.glob("*.json")):
        download.read.append(file)
        diagram = as_row(read_json(file, strict=False), str(file))
        name = inside(diagram, "imageName")
        asked = as_row(diagram.values.get("questions"), f"{file}: questions")
        for text, value in asked.values.items():
            answers = as_row(value, f"{file}: {text}")
            yield Found(
                key=str(key),
                row={
                    "question_id": key,
                    "question": text,
                    "answer_choices": list(answers.texts("answerTexts")),
                    "answer_label": answers.whole("correctAnswer"),
                    **({} if test is None else {"split": "test" if number in test else "val"}),
                },
                picture=images / name,
                place=f"images/ai2d/{name}",
                where=answers.where,
            )
            key += 1


def _number(file: Path) -> int:
    """Return a diagram's number: of 12.png.json, 12."""
    number = file.name.partition(".")[0]
    if not number.isdecimal():
        raise DataError(
            f"{file.name} does not begin with a diagram's number",
            str(file),
            "leave only the published files in the folder",
        )
    return int(number)


def _test_numbers(download: Download) -> set[int] | None:
    """Return the numbers of the diagrams of the test split; None if they are not there."""
    path = download.find(_TEST_IDS)
    if path is None:
        download.notes.append(f"there is no {_TEST_IDS}: the splits are not told apart")
        return None
    download.read.append(path)
    lines = path.read_bytes().decode("utf-8", errors="replace").split()
    for number, line in enumerate(lines, start=1):
        if not line.isdecimal():
            raise DataError(
                f"{line!r} is no number of a diagram", f"{path}: line {number}", "download it again"
            )
    return {int(line) for line in lines}


AI2D = Published(
    name="ai2d",
    ways=(Way(family="ai2d"),),
    questions=(15_501,),
    slim=(2048,),
    files=("questions/0.png.json ...", "images/0.png ...", f"{_TEST_IDS} (for the splits)"),
    source="allenai.org/data/diagrams",
    read=_read,
)
