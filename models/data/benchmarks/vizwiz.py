"""VizWiz's validation questions, as vizwiz.org publishes them."""

from collections.abc import Iterator

from models.data.benchmarks.download import Download, as_rows, inside
from models.data.benchmarks.published import Found, Published, Way
from models.evaluation.rule import Rule


def _read(download: Download) -> Iterator[Found]:
    """Yield the questions; an id is the position in the file, as in vlm-evaluation."""
    file, value = download.json("val.json", "Annotations/val.json", "annotations/val.json")
    images = download.path("val", "images/val", "val_images")
    for number, question in enumerate(as_rows(value, str(file))):
        name = inside(question, "image")
        yield Found(
            key=str(number),
            row={
                "question_id": number,
                "question": question.text("question"),
                "answers": [question.values.get("answers")],
                "answerable": question.whole("answerable"),
            },
            picture=images / name,
            place=f"images/vizwiz/{name}",
            where=question.where,
        )


VIZWIZ = Published(
    name="vizwiz",
    ways=(Way(family="vizwiz"), Way(suffix="-official", family="vizwiz", rule=Rule.OFFICIAL)),
    questions=(4319,),
    slim=(1024,),
    images=4319,
    files=("val.json", "val/VizWiz_val_00000000.jpg ..."),
    source="vizwiz.org/tasks-and-datasets/vqa",
    read=_read,
)
