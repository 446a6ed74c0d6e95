"""Text in, text out: where a text is cut into tokens, and what there is room for."""

import string
from dataclasses import replace

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from models.data.shapeworld.vocabulary import OWN_TOKENS, UNKNOWN
from models.evaluation.respondent import Respondent
from models.evaluation.text_model import TextModel, cut_at


@pytest.fixture
def model(respondent: Respondent) -> TextModel:
    """A model that reads letters and spaces."""
    words = [*OWN_TOKENS, *string.ascii_lowercase, " "]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return TextModel(respondent, tokenizer)


def test_spaces_between_belong_to_the_continuation(model: TextModel) -> None:
    one, other, without = model.read([("what is ", "red"), ("what is", " red"), ("what is", "red")])
    assert one == other
    assert one != without


def test_an_empty_context_is_a_documents_beginning(model: TextModel) -> None:
    (read,) = model.read([("", "red")])
    (whole,) = model.read_whole(["red"])
    assert read == whole


def test_context_without_room_loses_its_beginning(model: TextModel) -> None:
    letters = string.ascii_lowercase * 8
    cut = letters[-(96 + 1 - 4) :]  # seq_len inputs and one target, of which four are scored
    whole, rest = model.read([(letters, " red"), (cut, " red")])
    assert (whole.is_truncated, rest.is_truncated) == (True, True)  # the second, END_OF_TEXT only
    assert whole.nats == pytest.approx(rest.nats, abs=1e-4)
    assert not model.read([(cut[1:], " red")])[0].is_truncated


def test_a_text_of_any_length_is_scored_whole(model: TextModel) -> None:
    letters = string.ascii_lowercase * 8
    (long_text,) = model.read_whole([letters])
    (beginning,) = model.read_whole([letters[:96]])
    assert long_text.nats < beginning.nats < 0


def test_writing_leaves_room_and_keeps_half_of_the_sequence(model: TextModel) -> None:
    letters = string.ascii_lowercase * 8
    first, second, third = model.write([letters, letters[-47:], "red"], [500, 500, 2])
    assert (first.is_truncated, second.is_truncated, third.is_truncated) == (True, False, False)
    assert first.text
    again = model.write([letters[-60:]], [500])[0]
    assert again.text == first.text


def test_a_mark_ends_the_writing_and_not_what_is_read_before_it(model: TextModel) -> None:
    ticks: list[None] = []
    counted = replace(model, respondent=replace(model.respondent, tick=lambda: ticks.append(None)))
    (whole,) = counted.write([string.ascii_lowercase], [60])
    steps, mark = len(ticks), whole.text[0]
    (some,) = counted.write([string.ascii_lowercase], [60], [mark])
    assert len(ticks) < 2 * steps
    assert mark in some.text
    assert cut_at(some.text, [mark]) == cut_at(whole.text, [mark])


def test_a_text_is_cut_at_the_first_mark() -> None:
    assert cut_at("red. blue\n\ngreen", ["\n\n", "."]) == "red"
    assert cut_at("red", []) == "red"
    assert cut_at("red", ["", "x"]) == "red"
