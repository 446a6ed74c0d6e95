"""GQA's balanced test-dev questions, as cs.stanford.edu publishes them."""

from collections.abc import Iterator

from models.data.benchmarks.download import Download, as_row, inside, whole_numbers
from models.data.benchmarks.published import Found, Published, Way
from models.evaluation.rule import Rule


def _read(download: Download) -> Iterator[Found]:
    """Yield the balanced questions of the file; an unbalanced one is not scored."""
    file, value = download.json(
        "testdev_balanced_questions.json",
        "questions/testdev_balanced_questions.json",
        "questions1.2/testdev_balanced_questions.json",
    )
    images = download.path("images")
    for key, item in as_row(value, str(file)).values.items():
        question = as_row(item, f"{file}: {key}")
        if question.values.get("isBalanced") is False:
            continue
        name = f"{inside(question, 'imageId')}.jpg"
        yield Found(
            key=key,
            row={
                "question_id": int(key) if key.isdecimal() else key,
                "question": question.text("question"),
                "answer": question.text("answer"),
                "fullAnswer": question.text("fullAnswer"),
                "semanticStr": question.text("semanticStr"),
                "entailed": whole_numbers(question, "entailed"),
                "equivalent": whole_numbers(question, "equivalent"),
            },
            picture=images / name,
            place=f"images/gqa/{name}",
            where=question.where,
        )


GQA = Published(
    name="gqa",
    ways=(Way(family="gqa"), Way(suffix="-official", family="gqa", rule=Rule.OFFICIAL)),
    questions=(12_578,),
    slim=(1024,),
    images=398,
    files=("testdev_balanced_questions.json", "images/n161313.jpg ..."),
    source="cs.stanford.edu/people/dorarad/gqa/download.html",
    read=_read,
)
