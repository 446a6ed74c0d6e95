"""COCO captions: the 5,000 test images of Karpathy's split, which papers report.

Karpathy & Fei-Fei 2015 (arXiv:1412.2306); `dataset_coco.json` of the author's caption_datasets.zip.
"""

from collections.abc import Iterator

from models.data.benchmarks.download import Download, as_row, as_rows, inside
from models.data.benchmarks.published import Found, Published, Way
from models.data.benchmarks.vqa_v2 import COCO_VAL, COCO_VAL_FOLDERS

_SPLIT = "test"


def _read(download: Download) -> Iterator[Found]:
    """Yield the images of the test split, all of which are COCO's val2014; an id is COCO's."""
    file, value = download.json("dataset_coco.json")
    images = download.path(*COCO_VAL_FOLDERS)
    rows = as_rows(as_row(value, str(file)).values.get("images"), f"{file}: images")
    for image in rows:
        if image.text("split") != _SPLIT:
            continue
        number, name = image.whole("cocoid"), inside(image, "filename")
        sentences = as_rows(image.values.get("sentences"), f"{image.where}: sentences")
        yield Found(
            key=str(number),
            row={
                "image_id": number,
                "captions": [sentence.text("raw").strip() for sentence in sentences],
            },
            picture=images / name,
            place=f"{COCO_VAL}/{name}",
            where=image.where,
        )


COCO_CAPTIONS = Published(
    name="coco-captions",
    ways=(Way(family="captioning"),),
    questions=(5000,),
    images=5000,
    files=("dataset_coco.json (Karpathy's split)", "val2014/COCO_val2014_000000391895.jpg ..."),
    source="cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip, cocodataset.org",
    read=_read,
)
