"""POPE's questions about COCO images, as github.com/RUCAIBox/POPE publishes them."""

from collections.abc import Iterator

from models.data.benchmarks.download import Download, inside
from models.data.benchmarks.published import Found, Published, Way
from models.data.benchmarks.vqa_v2 import COCO_VAL, COCO_VAL_FOLDERS

_SPLITS = ("adversarial", "popular", "random")


def _read(download: Download) -> Iterator[Found]:
    """Yield the questions split by split; their ids are unique in a split alone."""
    images = download.path(*COCO_VAL_FOLDERS)
    for split in _SPLITS:
        name = f"coco_pope_{split}.json"
        for line in download.lines(name, f"output/coco/{name}", f"coco/{name}"):
            number, picture = line.whole("question_id"), inside(line, "image")
            key = f"{split}-{number}"
            yield Found(
                key=key,
                row={
                    "question_id": key,
                    "question": line.text("text"),
                    "answer": line.text("label"),
                    "split": split,
                    "split_question_id": number,
                },
                picture=images / picture,
                place=f"{COCO_VAL}/{picture}",
                where=line.where,
            )


POPE = Published(
    name="pope",
    ways=(Way(family="pope"),),
    questions=(8910, 9000),  # the random split had 2,910 questions and later 3,000
    slim=(3072,),
    images=500,
    files=(
        *(f"coco_pope_{split}.json" for split in _SPLITS),
        "val2014/COCO_val2014_000000000042.jpg ...",
    ),
    source="github.com/RUCAIBox/POPE, cocodataset.org",
    read=_read,
)
