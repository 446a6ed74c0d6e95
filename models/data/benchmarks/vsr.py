"""VSR's zero-shot test split, as github.com/cambridgeltl/visual-spatial-reasoning publishes it."""

from collections.abc import Iterator

from models.data.benchmarks.download import Download, inside
from models.data.benchmarks.published import Found, Published, Way


def _read(download: Download) -> Iterator[Found]:
    """Yield the statements; an id is the position in the file, as in vlm-evaluation."""
    images = download.path("images", "trainval2017", "vsr_images")
    for number, line in enumerate(download.lines("test.jsonl", "zeroshot/test.jsonl")):
        label, name = line.whole("label"), inside(line, "image")
        if label not in (0, 1):
            raise line.refuse("label", "0 or 1")
        yield Found(
            key=str(number),
            row={
                "example_id": number,
                "caption": line.text("caption"),
                "true_false": label == 1,
                "subj": line.text("subj"),
                "obj": line.text("obj"),
                "relation": line.text("relation"),
            },
            picture=images / name,
            place=f"images/vsr/{name}",
            where=line.where,
        )


VSR = Published(
    name="vsr",
    ways=(Way(family="vsr"),),
    questions=(1222,),
    images=715,
    files=("test.jsonl (of the zero-shot split)", "images/000000017697.jpg ..."),
    source="huggingface.co/datasets/cambridgeltl/vsr_zeroshot",
    read=_read,
)
