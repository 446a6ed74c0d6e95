"""The tokenizer: small, complete, and the way back from ids to text is exact."""

import ast
import json
from pathlib import Path

import pytest

from models.data.prompt import SHORT_ANSWER, question_text
from models.data.shapeworld.vocabulary import UNKNOWN, WordEncoder, build_tokenizer
from models.data.tokenizer import load_tokenizer

TOKENIZER = build_tokenizer()


def ids(text: str) -> list[int]:
    return TOKENIZER.encode(text, add_special_tokens=False).ids


def all_texts(world: Path) -> list[str]:
    rows = json.loads((world / "instructions" / "llava.json").read_text())
    turns = [turn["value"] for row in rows for turn in row["conversations"]]
    texts = [text.removeprefix("<image>\n") for text in turns]
    for path in (world / "benchmarks").glob("shapeworld_*.json"):
        for row in json.loads(path.read_text()).values():
            texts.append(str(row.get("question", row.get("ref_expression"))))
            texts.append(str(row.get("answer", "")))
    for path in (world / "benchmarks" / "tasks").glob("*.jsonl"):
        for row in map(json.loads, path.read_text().splitlines()):
            texts += [question_text(row["question"]), *row["choices"]]
    return texts


def test_the_vocabulary_is_small(world: Path) -> None:
    assert load_tokenizer(world).get_vocab_size() <= 512


def test_no_word_of_the_world_is_unknown(world: Path) -> None:
    texts = all_texts(world)
    assert len(texts) > 500
    assert [text for text in texts if TOKENIZER.token_to_id(UNKNOWN) in ids(text)] == []


def test_decoding_gives_back_what_was_said(world: Path) -> None:
    for text in all_texts(world):
        plain = " ".join(text.lower().split())
        if '"' not in plain:  # quotation marks keep a space on both sides
            assert TOKENIZER.decode(ids(text)) == plain


@pytest.mark.parametrize(
    "text",
    [
        "red circle at top left, blue square at centre. 2 shapes. red circle above blue square.",
        "12 + 7 = 19. 0 + 3 = 3.",
        "bax gelor lives in darton. bax gelor has the colour red.",
        "in: what is 12 + 7? out: 19",
        "[0.35, 0.02, 0.63, 0.31]",
        "[0.00, 0.02, 1.00, 0.31]",
    ],
)
def test_each_kind_of_text_comes_back(text: str) -> None:
    assert TOKENIZER.decode(ids(text)) == text


def test_a_decoded_box_is_a_python_list() -> None:
    numbers = [0.35, 0.02, 0.63, 0.31]
    text = TOKENIZER.decode(ids("[0.35, 0.02, 0.63, 0.31]"))
    assert ast.literal_eval(text) == numbers
    assert len(ids(text)) == 9


def test_case_and_white_space_make_no_difference() -> None:
    assert ids("In: Where is it?\nOut:") == ids("in :  where IS it ? out :")


def test_the_fast_encoder_gives_the_tokenizers_ids(world: Path) -> None:
    encode = WordEncoder(TOKENIZER)
    for text in [*all_texts(world), "what?" + SHORT_ANSWER, "a word nobody knows", ""]:
        assert encode(text) == ids(text)
