"""TallyQA's test questions, as github.com/manoja328/TallyQA_dataset publishes them."""

from collections.abc import Iterator

from models.data.benchmarks.download import Download, as_rows, inside
from models.data.benchmarks.published import Found, Published, Way


def _read(download: Download) -> Iterator[Found]:
    file, value = download.json("test.json", "tallyqa/test.json")
    images = download.path("images") if download.find("images") else download.folder
    for question in as_rows(value, str(file)):
        is_simple = question.values.get("issimple")
        if not isinstance(is_simple, bool):
            raise question.refuse("issimple", "true or false")
        number, name = question.whole("question_id"), inside(question, "image")
        yield Found(
            key=str(number),
            row={
                "question_id": number,
                "question": question.text("question"),
                "answer": question.whole("answer"),
                "split": "simple" if is_simple else "complex",
            },
            picture=images / name,
            place=f"images/tally-qa/{name}",
            where=question.where,
        )


TALLY_QA = Published(
    name="tally-qa",
    ways=(Way(family="tally-qa"), Way(suffix="-letters", family="tally-qa-letters")),
    questions=(38_589,),
    slim=(2048, 16_384),
    files=("test.json", "VG_100K/....jpg ...", "VG_100K_2/2410408.jpg ..."),
    source="github.com/manoja328/TallyQA_dataset, visualgenome.org",
    read=_read,
)
