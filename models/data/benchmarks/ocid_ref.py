"""OCID-Ref's validation expressions, as github.com/lluma/OCID-Ref publishes them.

Boxes are corners x1, y1, x2, y2, as vlm-evaluation reads and checks them; the instruction.txt that
comes with the annotations speaks of x, y, width, height.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator

from models.data.benchmarks.download import Download, as_row, corner_shares, inside
from models.data.benchmarks.published import Found, Published, Way
from models.evaluation.ocid_ref import CLUTTER
from models.evaluation.question import Row

_IMAGE_SIZE = (640, 480)
"""Width and height of every image, in pixels."""
_LAST_TAKES = (9, 16, 20)
"""The last take of little, more and most clutter; takes of a scene are counted from 0."""


def _read(download: Download) -> Iterator[Found]:
    file, value = download.json("val_expressions.json", "refs/val_expressions.json")
    images = download.path("OCID-dataset", "OCID-Dataset", "images")
    for key, item in as_row(value, str(file)).values.items():
        expression = as_row(item, f"{file}: {key}")
        take, name = expression.whole("take_id"), inside(expression, "scene_path")
        if take > _LAST_TAKES[-1]:
            raise expression.refuse("take_id", f"a take from 0 to {_LAST_TAKES[-1]}")
        yield Found(
            key=key,
            row={
                "example_id": int(key) if key.isdecimal() else key,
                "ref_expression": expression.text("sentence"),
                "bbox": corner_shares(expression, "bbox", _corners(expression), _IMAGE_SIZE),
                "clutter_split": CLUTTER[bisect_left(_LAST_TAKES, take)],
                "split": "val",
            },
            picture=images / name,
            place=f"images/ocid-ref/{name}",
            where=expression.where,
        )


def _corners(expression: Row) -> object:
    """Return the box, which is published as text: "[155, 169, 218, 212]"."""
    box = expression.values.get("bbox")
    if not isinstance(box, str):
        return box
    try:
        return json.loads(box)
    except ValueError:
        return None


OCID_REF = Published(
    name="ocid-ref",
    ways=(Way(family="ocid-ref"),),
    questions=(18_342,),
    slim=(3072,),
    files=("val_expressions.json", "OCID-dataset/ARID10/floor/bottom/seq01/rgb/....png ..."),
    source="github.com/lluma/OCID-Ref, acin.tuwien.ac.at (OCID)",
    read=_read,
)
