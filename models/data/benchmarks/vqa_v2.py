"""VQAv2's validation questions, as visualqa.org publishes them."""

from collections.abc import Iterator

from models.data.benchmarks.download import Download, as_row, as_rows
from models.data.benchmarks.published import Found, Published, Way
from models.evaluation.question import Row
from models.evaluation.rule import Rule
from orchestrator.errors import DataError

COCO_VAL = "images/coco-val2014"
"""Where the images lie in the part; POPE has the same."""
COCO_VAL_FOLDERS = ("val2014", "images/val2014", "coco/val2014", "images_val2014", "val_images")
"""Where they may lie in a download."""


def _read(download: Download) -> Iterator[Found]:
    """Join questions and annotations by their ids; the order is that of the annotations."""
    file, value = download.json(
        "v2_OpenEnded_mscoco_val2014_questions.json", "v2_val2014_questions.json"
    )
    questions: dict[int, Row] = {}
    for question in as_rows(as_row(value, str(file)).values.get("questions"), f"{file}: questions"):
        number = question.whole("question_id")
        if number in questions:
            raise question.refuse("question_id", f"new: it is that of {questions[number].where}")
        questions[number] = question
    file, value = download.json("v2_mscoco_val2014_annotations.json", "v2_val2014_annotations.json")
    images = download.path(*COCO_VAL_FOLDERS)
    rows = as_rows(as_row(value, str(file)).values.get("annotations"), f"{file}: annotations")
    for annotation in rows:
        number = annotation.whole("question_id")
        if number not in questions:
            raise annotation.refuse("question_id", "the id of a question")
        name = f"COCO_val2014_{annotation.whole('image_id'):012d}.jpg"
        yield Found(
            key=str(number),
            row={
                "question_id": number,
                "question": questions[number].text("question"),
                "answer": annotation.text("multiple_choice_answer"),
                "question_type": annotation.text("question_type"),
                "answer_type": annotation.text("answer_type"),
                "all_answers": _answers(annotation),
            },
            picture=images / name,
            place=f"{COCO_VAL}/{name}",
            where=annotation.where,
        )


def _answers(annotation: Row) -> list[str]:
    where = f"{annotation.where}: answers"
    answers = [answer.text("answer") for answer in as_rows(annotation.values.get("answers"), where)]
    if not answers:
        raise DataError("there is no answer", where, "download the file again")
    return answers


VQA_V2 = Published(
    name="vqa-v2",
    ways=(
        Way(family="vqa-v2"),
        Way(suffix="-official", family="vqa-v2", rule=Rule.OFFICIAL),
    ),
    questions=(214_354,),
    slim=(1024, 16_384),
    images=40_504,
    files=(
        "v2_OpenEnded_mscoco_val2014_questions.json",
        "v2_mscoco_val2014_annotations.json",
        "val2014/COCO_val2014_000000000042.jpg ...",
    ),
    source="visualqa.org/download.html, cocodataset.org",
    read=_read,
)
