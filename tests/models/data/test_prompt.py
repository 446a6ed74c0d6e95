"""One convention for questions and answers."""

from pathlib import Path

from models.data.prompt import answer_text, question_text
from models.data.tokenizer import load_tokenizer


def test_the_space_before_an_answer_belongs_to_the_answer() -> None:
    assert question_text(" where is it? ") == "In: where is it?\nOut:"
    assert answer_text(" top left\n") == " top left"


def test_a_prompt_and_its_answer_are_cut_where_training_cuts_them(world: Path) -> None:
    tokenizer = load_tokenizer(world)
    question, answer = question_text("where is the red circle?"), answer_text("top left")
    apart = [tokenizer.encode(text, add_special_tokens=False).ids for text in (question, answer)]
    assert tokenizer.encode(question + answer, add_special_tokens=False).ids == apart[0] + apart[1]
