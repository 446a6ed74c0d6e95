"""TextVQA's validation questions, as textvqa.org publishes them, with an OCR system's words.

The words come from LLaVA's file of questions (the one that vlm-evaluation uses) if it is there,
else from the Rosetta OCR file that textvqa.org publishes; without either, questions are asked pure.
"""

from collections.abc import Iterator, Mapping

from models.data.benchmarks.download import Download, as_row, as_rows, inside
from models.data.benchmarks.published import Found, Published, Way
from models.data.prompt import SHORT_ANSWER
from models.evaluation.question import Row
from models.evaluation.text_vqa import OCR_TOKENS
from orchestrator.errors import DataError

_LLAVA = ("llava_textvqa_val_v051_ocr.jsonl", "textvqa_val_v051_ocr.jsonl")
_ROSETTA = ("TextVQA_Rosetta_OCR_v0.2_val.json", "TextVQA_Rosetta_OCR_v0.1_val.json")


def _read(download: Download) -> Iterator[Found]:
    file, value = download.json("TextVQA_0.5.1_val.json")
    questions = list(as_rows(as_row(value, str(file)).values.get("data"), f"{file}: data"))
    images = download.path("train_images", "train_val_images/train_images", "train_val_images")
    texts = _texts(download, questions)
    for question, text in zip(questions, texts, strict=True):
        number, name = question.whole("question_id"), f"{inside(question, 'image_id')}.jpg"
        yield Found(
            key=str(number),
            row={
                "question_id": number,
                "question": text,
                "answers": list(question.texts("answers")),
            },
            picture=images / name,
            place=f"images/text-vqa/{name}",
            where=question.where,
        )


def _texts(download: Download, questions: list[Row]) -> list[str]:
    """Return what is asked, with the words that were read in the images."""
    if download.find(*_LLAVA):
        return _from_llava(download, questions)
    if download.find(*_ROSETTA):
        return _from_rosetta(download, questions)
    download.notes.append(f"neither {_LLAVA[0]} nor {_ROSETTA[0]} is there: no OCR tokens")
    return [question.text("question") for question in questions]


def _from_llava(download: Download, questions: list[Row]) -> list[str]:
    """Take LLaVA's questions, which stand in the order of the published ones."""
    lines = list(download.lines(*_LLAVA))
    if len(lines) != len(questions):
        raise DataError(
            f"there are {len(lines)} lines for {len(questions)} questions",
            str(download.path(*_LLAVA)),
            "download both files again, whole",
        )
    texts: list[str] = []
    for line, question in zip(lines, questions, strict=True):
        if line.text("image") != f"{question.text('image_id')}.jpg":
            raise line.refuse("image", f"the image of {question.where}")
        texts.append(line.text("text").removesuffix(SHORT_ANSWER))
    return texts


def _from_rosetta(download: Download, questions: list[Row]) -> list[str]:
    """Put the words behind the questions as LLaVA does."""
    file, value = download.json(*_ROSETTA)
    rows = as_rows(as_row(value, str(file)).values.get("data"), f"{file}: data")
    words = {row.text("image_id"): row.texts("ocr_tokens") for row in rows}
    texts: list[str] = []
    for question in questions:
        if question.text("image_id") not in words:
            raise question.refuse("image_id", f"an image of {file}")
        read = ", ".join(words[question.text("image_id")])
        texts.append(f"{question.text('question')}{OCR_TOKENS} {read}")
    return texts


def _has_words(row: Mapping[str, object]) -> bool:
    return OCR_TOKENS in str(row.get("question"))


TEXT_VQA = Published(
    name="text-vqa",
    ways=(Way(family="text-vqa"), Way(suffix="-ocr", family="text-vqa-ocr", fits=_has_words)),
    questions=(5000,),
    slim=(1024,),
    images=3166,
    files=(
        "TextVQA_0.5.1_val.json",
        "train_images/0054c91397f2fe05.jpg ...",
        f"{_LLAVA[0]} or {_ROSETTA[0]} (for text-vqa-ocr)",
    ),
    source="textvqa.org/dataset",
    read=_read,
)
