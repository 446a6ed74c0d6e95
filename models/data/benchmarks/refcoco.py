"""RefCOCO, RefCOCO+ and RefCOCOg, as github.com/lichengunc/refer publishes them.

Their references come as a pickle, which runs what it holds when it is read: it is never read here,
and the message says how to turn it into JSON.
"""

from collections.abc import Iterator

from models.data.benchmarks.download import Download, as_row, as_rows, corner_shares
from models.data.benchmarks.published import Found, Published, Way
from models.evaluation.question import Row
from orchestrator.errors import DataError

_SPLIT_BY = {"RefCOCO": "unc", "RefCOCO+": "unc", "RefCOCOg": "umd"}
"""Whose split of each data set is used, as in vlm-evaluation."""


def _read(download: Download) -> Iterator[Found]:
    """Yield the validation sentences of each data set that is there."""
    images = download.path("train2014", "images/train2014")
    for dataset, split_by in _SPLIT_BY.items():
        folder = dataset.lower()
        if download.find(folder) is None:
            download.notes.append(f"there is no {folder}")
            continue
        references = _references(download, folder, split_by)
        boxes = _boxes(download, f"{folder}/instances.json")
        for reference in references:
            if reference.text("split") != "val":
                continue
            name = f"COCO_train2014_{reference.whole('image_id'):012d}.jpg"
            bbox = boxes.get(reference.whole("ann_id"))
            if bbox is None:
                raise reference.refuse("ann_id", f"the id of a box in {folder}/instances.json")
            sentences = as_rows(reference.values.get("sentences"), f"{reference.where}: sentences")
            for sentence in sentences:
                ref_id, sent_id = reference.whole("ref_id"), sentence.whole("sent_id")
                key = f"{dataset}-{ref_id}-{sent_id}"
                yield Found(
                    key=key,
                    row={
                        "example_id": key,
                        "ref_expression": sentence.text("sent"),
                        "bbox": bbox,
                        "refer_dataset": dataset,
                        "split": "val",
                        "ref_id": ref_id,
                        "sent_id": sent_id,
                    },
                    picture=images / name,
                    place=f"images/coco-train2014/{name}",
                    where=sentence.where,
                )


def _references(download: Download, folder: str, split_by: str) -> list[Row]:
    name = f"refs({split_by})"
    pickled = download.find(f"{folder}/{name}.p")
    if pickled is not None and download.find(f"{folder}/{name}.json") is None:
        command = f"json.dump(pickle.load(open('{name}.p', 'rb')), open('{name}.json', 'w'))"
        raise DataError(
            "a pickle can run anything when it is read, and is not read here",
            str(pickled),
            "where you trust it, turn it into JSON in its folder:\n"
            f'         python -c "import json, pickle; {command}"',
        )
    file, value = download.json(f"{folder}/{name}.json")
    return list(as_rows(value, str(file)))


def _boxes(download: Download, name: str) -> dict[int, list[float]]:
    """Return the box of each annotation, by its id, in shares of its image."""
    file, value = download.json(name)
    instances = as_row(value, str(file))
    sizes = {
        image.whole("id"): (image.whole("width"), image.whole("height"))
        for image in as_rows(instances.values.get("images"), f"{file}: images")
    }
    boxes: dict[int, list[float]] = {}
    rows = as_rows(instances.values.get("annotations"), f"{file}: annotations")
    for annotation in rows:
        image = annotation.whole("image_id")
        if image not in sizes:
            raise annotation.refuse("image_id", "the id of an image of the file")
        boxes[annotation.whole("id")] = corner_shares(
            annotation, "bbox", _corners(annotation), sizes[image]
        )
    return boxes


def _corners(annotation: Row) -> object:
    """Turn x, y, width, height into corners; anything else is left as it is."""
    box: object = annotation.values.get("bbox")
    match box:
        case [
            int() | float() as x,
            int() | float() as y,
            int() | float() as w,
            int() | float() as h,
        ]:
            return [x, y, x + w, y + h]
        case _:
            return None


REFCOCO = Published(
    name="refcoco",
    ways=(Way(family="refcoco"),),
    questions=(26_488,),
    slim=(3072,),
    files=(
        "refcoco/refs(unc).json, refcoco/instances.json",
        "refcoco+/refs(unc).json, refcoco+/instances.json",
        "refcocog/refs(umd).json, refcocog/instances.json",
        "train2014/COCO_train2014_000000000009.jpg ...",
    ),
    source="github.com/lichengunc/refer (its pickles turned into JSON), cocodataset.org",
    read=_read,
)
