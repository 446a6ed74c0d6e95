"""Small data sets in the very files, names and nesting in which they are published."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Write = Callable[[str, Path], Path]


def write_image(path: Path, colour: tuple[int, int, int] = (10, 200, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 8), colour).save(path)


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_lines(path: Path, values: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


def vqa_v2(folder: Path) -> None:
    questions = [
        {"image_id": 42, "question": "What colour is it?", "question_id": 42000},
        {"image_id": 42, "question": "How many dogs?", "question_id": 42001},
        {"image_id": 73, "question": "Is it day?", "question_id": 73000},
    ]
    given = {42000: ["red"] * 6 + ["dark red"] * 4, 42001: ["2"] * 10, 73000: ["yes"] * 10}
    kinds = {42000: ("what color", "other"), 42001: ("how many", "number")}
    annotations: list[dict[str, object]] = []
    for question in reversed(questions):  # another order than the questions'
        number = int(str(question["question_id"]))
        kind, answer_type = kinds.get(number, ("is it", "yes/no"))
        annotations.append(
            {
                "question_type": kind,
                "multiple_choice_answer": given[number][0],
                "answers": [
                    {"answer": answer, "answer_confidence": "yes", "answer_id": i}
                    for i, answer in enumerate(given[number], start=1)
                ],
                "image_id": question["image_id"],
                "answer_type": answer_type,
                "question_id": number,
            }
        )
    about = {
        "info": {"version": "2.0"},
        "license": {"name": "CC"},
        "data_type": "mscoco",
        "data_subtype": "val2014",
    }
    write_json(
        folder / "v2_OpenEnded_mscoco_val2014_questions.json",
        {**about, "task_type": "Open-Ended", "questions": questions},
    )
    write_json(folder / "v2_mscoco_val2014_annotations.json", {**about, "annotations": annotations})
    for number in (42, 73):
        write_image(folder / "val2014" / f"COCO_val2014_{number:012d}.jpg")


def gqa(folder: Path) -> None:
    def question(image: str, text: str, answer: str, *, balanced: bool = True) -> dict[str, object]:
        return {
            "semantic": [{"operation": "select", "dependencies": [], "argument": "sky (2486325)"}],
            "entailed": ["201307252"],
            "equivalent": ["201640614"],
            "question": text,
            "imageId": image,
            "isBalanced": balanced,
            "groups": {"global": None, "local": "06-sky_dark"},
            "answer": answer,
            "semanticStr": "select: sky (2486325)->verify color: dark [0]",
            "annotations": {"answer": {}, "question": {"2": "2486325"}, "fullAnswer": {}},
            "types": {"detailed": "verifyAttr", "semantic": "attr", "structural": "verify"},
            "fullAnswer": f"It is {answer}.",
        }

    write_json(
        folder / "testdev_balanced_questions.json",
        {
            "201307251": question("n161313", "Is the sky dark?", "yes"),
            "201640614": question("n235859", "What is on the white wall?", "pipe"),
            "201640615": question("n235859", "Not scored?", "no", balanced=False),
        },
    )
    for name in ("n161313", "n235859"):
        write_image(folder / "images" / f"{name}.jpg")


def vizwiz(folder: Path) -> None:
    def item(number: int, answers: list[str], answerable: int) -> dict[str, object]:
        return {
            "image": f"VizWiz_val_{number:08d}.jpg",
            "question": "Can you tell me what this medicine is please?",
            "answers": [{"answer": answer, "answer_confidence": "maybe"} for answer in answers],
            "answer_type": "other",
            "answerable": answerable,
        }

    write_json(
        folder / "val.json",
        [
            item(0, ["night time"] * 6 + ["no"] * 4, 1),
            item(1, ["unanswerable"] * 10, 0),
        ],
    )
    for number in (0, 1):
        write_image(folder / "val" / f"VizWiz_val_{number:08d}.jpg")


def text_vqa(folder: Path) -> None:
    def item(number: int, image: str, question: str, answer: str) -> dict[str, object]:
        return {
            "question": question,
            "image_id": image,
            "image_classes": ["Camera"],
            "flickr_original_url": "https://example.org/o.jpg",
            "flickr_300k_url": "https://example.org/z.jpg",
            "image_width": 1024,
            "image_height": 664,
            "answers": [answer] * 9 + ["nous les gosses"],
            "question_tokens": question.split(),
            "question_id": number,
            "set_name": "val",
        }

    about = {"dataset_type": "val", "dataset_name": "textvqa", "dataset_version": "0.5.1"}
    write_json(
        folder / "TextVQA_0.5.1_val.json",
        {
            **about,
            "data": [
                item(34602, "003a8ae2ef43b901", "what brand is it?", "dakota"),
                item(34603, "00685bc495504d61", "who is it by?", "clock"),
            ],
        },
    )
    write_json(
        folder / "TextVQA_Rosetta_OCR_v0.2_val.json",
        {
            "dataset_name": "textvqa_ocr",
            "data": [
                {"image_id": "00685bc495504d61", "ocr_tokens": [], "ocr_info": []},
                {
                    "image_id": "003a8ae2ef43b901",
                    "ocr_tokens": ["dakota", "DIGITAL"],
                    "ocr_info": [{"word": "dakota", "bounding_box": {}}],
                },
            ],
        },
    )
    for name in ("003a8ae2ef43b901", "00685bc495504d61"):
        write_image(folder / "train_images" / f"{name}.jpg")


def refcoco(folder: Path) -> None:
    for dataset, split_by in (("refcoco", "unc"), ("refcoco+", "unc"), ("refcocog", "umd")):
        references = [
            {
                "sent_ids": [10 * ref, 10 * ref + 1],
                "file_name": f"COCO_train2014_000000581857_{ref}.jpg",
                "ann_id": 1719310 + ref,
                "ref_id": ref,
                "image_id": 581857,
                "split": split,
                "sentences": [
                    {
                        "tokens": ["the", "lady"],
                        "raw": "THE LADY",
                        "sent_id": 10 * ref + i,
                        "sent": f"the lady {i}",
                    }
                    for i in (0, 1)
                ],
                "category_id": 1,
            }
            for ref, split in ((0, "train"), (1, "val"))
        ]
        annotations = [
            {
                "segmentation": [[1.0, 2.0, 3.0, 4.0]],
                "area": 197.3,
                "iscrowd": 0,
                "image_id": 581857,
                "bbox": [64.0, 42.0, 320.0, 106.0],
                "category_id": 1,
                "id": 1719310 + ref,
            }
            for ref in (0, 1)
        ]
        image = {
            "license": 1,
            "file_name": "COCO_train2014_000000581857.jpg",
            "height": 424,
            "width": 640,
            "id": 581857,
        }
        write_json(folder / dataset / f"refs({split_by}).json", references)
        write_json(
            folder / dataset / "instances.json",
            {
                "info": {},
                "images": [image],
                "licenses": [],
                "annotations": annotations,
                "categories": [{"supercategory": "person", "id": 1, "name": "person"}],
            },
        )
    write_image(folder / "train2014" / "COCO_train2014_000000581857.jpg")


def ocid_ref(folder: Path) -> None:
    sequence = "ARID10/floor/bottom/box/seq01"

    def expression(take: int, box: str, sentence: str) -> dict[str, object]:
        return {
            "seq_id": 7,
            "scene_id": 140 + take,
            "take_id": take,
            "scene_path": f"{sequence}/rgb/result_{take:02d}.png",
            "sequence_path": sequence,
            "sub_dataset": "ARID10",
            "instance_id": 2300,
            "scene_instance": 2,
            "class": "apple",
            "class_instance": "apple_1",
            "new_class": "apple",
            "sentence": sentence,
            "tokens": sentence.split(),
            "bbox": box,
            "sentence_type": "attribute",
        }

    write_json(
        folder / "val_expressions.json",
        {
            "100": expression(9, "[64, 48, 320, 240]", "the red apple"),
            "101": expression(10, "[0, 0, 640, 480]", "the table"),
            "102": expression(20, "[320, 240, 640, 480]", "the box at the back"),
        },
    )
    for take in (9, 10, 20):
        write_image(folder / "OCID-dataset" / sequence / "rgb" / f"result_{take:02d}.png")


def pope(folder: Path) -> None:
    for split in ("adversarial", "popular", "random"):
        write_lines(
            folder / f"coco_pope_{split}.json",
            [
                {
                    "question_id": i,
                    "image": "COCO_val2014_000000000042.jpg",
                    "text": f"Is there a {thing} in the image?",
                    "label": label,
                }
                for i, (thing, label) in enumerate((("dog", "yes"), ("car", "no")), start=1)
            ],
        )
    write_image(folder / "val2014" / "COCO_val2014_000000000042.jpg")


def tally_qa(folder: Path) -> None:
    def item(number: int, image: str, answer: int, *, simple: bool) -> dict[str, object]:
        return {
            "answer": answer,
            "data_source": "imported_genome",
            "image": image,
            "image_id": 90_000_000 + number,
            "issimple": simple,
            "question": "How many headlights does the black bus have?",
            "question_id": 30_095_774 + number,
        }

    write_json(
        folder / "test.json",
        [
            item(0, "VG_100K_2/2410408.jpg", 4, simple=False),
            item(1, "VG_100K/713.jpg", 0, simple=True),
        ],
    )
    write_image(folder / "VG_100K_2/2410408.jpg")
    write_image(folder / "VG_100K/713.jpg")


def vsr(folder: Path) -> None:
    def item(image: str, caption: str, label: int) -> dict[str, object]:
        return {
            "image": image,
            "image_link": f"http://images.cocodataset.org/train2017/{image}",
            "caption": caption,
            "label": label,
            "relation": "behind",
            "subj": "car",
            "obj": "suitcase",
            "annotator_id": 2,
            "vote_true_validator_id": "[18, 2]",
            "vote_false_validator_id": "[1]",
        }

    write_lines(
        folder / "test.jsonl",
        [
            item("000000017697.jpg", "The car is behind the suitcase.", 1),
            item("000000199940.jpg", "The cat is under the backpack.", 0),
        ],
    )
    write_image(folder / "images" / "000000017697.jpg")
    write_image(folder / "images" / "000000199940.jpg")


def ai2d(folder: Path) -> None:
    for number in (2, 10):
        name = f"{number}.png"
        questions = {
            f"What is {letter} in the diagram?": {
                "abcLabel": True,
                "answerTexts": ["ears", "nose", "mouth", "face"],
                "correctAnswer": label,
                "questionId": f"{name}-{label}",
            }
            for letter, label in (("A", 3), ("B", 0))
        }
        write_json(
            folder / "questions" / f"{name}.json", {"imageName": name, "questions": questions}
        )
        write_image(folder / "images" / name)
    (folder / "ai2d_test_ids.csv").write_text("10\n4000\n")


def nocaps(folder: Path) -> None:
    images = [
        {
            "id": number,
            "open_images_id": name,
            "file_name": f"{name}.jpg",
            "coco_url": f"https://s3.amazonaws.com/nocaps/val/{name}.jpg",
            "width": 12,
            "height": 8,
            "domain": domain,
        }
        for number, name, domain in (
            (0, "0013ea2087020901", "in-domain"),
            (1, "00c42a3f0c4d0d5d", "near-domain"),
            (2, "01ff4a2ab4a3e8f1", "out-domain"),
        )
    ]
    said = [
        (0, "A baby is standing."),
        (1, "A red bus."),
        (2, "Two fish."),
        (0, "The baby smiles."),
    ]
    annotations = [
        {"id": i, "image_id": number, "caption": caption}
        for i, (number, caption) in enumerate(said)
    ]
    write_json(
        folder / "nocaps_val_4500_captions.json",
        {"info": {"version": "1.0"}, "licenses": [], "images": images, "annotations": annotations},
    )
    for image in images:
        write_image(folder / "images" / str(image["file_name"]))


def coco_captions(folder: Path) -> None:
    images: list[dict[str, object]] = []
    for number, split in ((391895, "test"), (42, "train"), (60623, "test"), (73, "val")):
        name = f"COCO_val2014_{number:012d}.jpg"
        sentences = [
            {"tokens": ["a", "man"], "raw": f"A man by {number} hills. ", "imgid": 0, "sentid": 1},
            {"tokens": ["hills"], "raw": "Hills", "imgid": 0, "sentid": 2},
        ]
        images.append(
            {
                "filepath": "val2014",
                "sentids": [1, 2],
                "filename": name,
                "imgid": 0,
                "split": split,
                "sentences": sentences,
                "cocoid": number,
            }
        )
        write_image(folder / "val2014" / name)
    write_json(folder / "dataset_coco.json", {"images": images, "dataset": "coco"})


WRITERS = {
    "vqa-v2": vqa_v2,
    "gqa": gqa,
    "vizwiz": vizwiz,
    "text-vqa": text_vqa,
    "refcoco": refcoco,
    "ocid-ref": ocid_ref,
    "pope": pope,
    "vsr": vsr,
    "tally-qa": tally_qa,
    "ai2d": ai2d,
    "nocaps": nocaps,
    "coco-captions": coco_captions,
}


@pytest.fixture(scope="session")
def write() -> Write:
    """Write a small data set, by its name, and return its folder."""

    def write(name: str, folder: Path) -> Path:
        WRITERS[name](folder)
        return folder

    return write
