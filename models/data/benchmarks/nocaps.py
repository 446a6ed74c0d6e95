"""NoCaps' validation captions of Open Images, as nocaps.org publishes them."""

from collections.abc import Iterator

from models.data.benchmarks.download import Download, as_row, as_rows, inside
from models.data.benchmarks.published import Found, Published, Way
from models.evaluation.question import Row


def _read(download: Download) -> Iterator[Found]:
    """Yield the images, in the order of the file; an id is the image's there."""
    file, value = download.json("nocaps_val_4500_captions.json")
    images = download.path("images", "val", "validation")
    content = as_row(value, str(file))
    captions = _captions(content)
    for image in as_rows(content.values.get("images"), f"{file}: images"):
        number, name = image.whole("id"), inside(image, "file_name")
        if number not in captions:
            raise image.refuse("id", "the image_id of an annotation")
        yield Found(
            key=str(number),
            row={
                "image_id": number,
                "captions": captions[number],
                "domain": image.text("domain"),
            },
            picture=images / name,
            place=f"images/nocaps/{name}",
            where=image.where,
        )


def _captions(content: Row) -> dict[int, list[str]]:
    """Return each image's captions, in the order of the annotations."""
    found: dict[int, list[str]] = {}
    where = f"{content.where}: annotations"
    for annotation in as_rows(content.values.get("annotations"), where):
        found.setdefault(annotation.whole("image_id"), []).append(annotation.text("caption"))
    return found


NOCAPS = Published(
    name="nocaps",
    ways=(Way(family="captioning"),),
    questions=(4500,),
    images=4500,
    files=("nocaps_val_4500_captions.json", "images/0013ea2087020901.jpg ..."),
    source="nocaps.org/download",
    read=_read,
)
