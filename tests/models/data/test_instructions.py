"""Fine-tuning batches: answers alone are supervised, every pass reads each row once."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.batch import IGNORE
from models.data.instructions import InstructionData
from models.data.prompt import answer_text, question_text
from models.data.tokenizer import END_OF_TEXT, IMAGE, PADDING, load_tokenizer
from orchestrator.errors import ConfigError, DataError

T, P, ROWS = 64, 9, 40


def data(folder: Path, seq_len: int = T, seed: int = 0) -> InstructionData:
    return InstructionData(folder, seq_len=seq_len, image_tokens=P, seed=seed)


def write_rows(folder: Path, *rows: dict[str, object]) -> None:
    (folder / "llava.json").write_text(json.dumps(rows))


def say(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [
        {"from": speaker, "value": value}
        for turn in turns
        for speaker, value in zip(("human", "gpt"), turn, strict=True)
    ]


def test_a_row_is_an_image_and_turns_of_which_answers_are_supervised(
    part: Callable[[str], Path],
) -> None:
    folder = part("instructions")
    turns = [("what colour is at top?", "red"), ("where is the red circle?", "top left")]
    rows = say((f"<image>\n{turns[0][0]}", turns[0][1]), turns[1])
    write_rows(folder, {"image": "images/instruction_000007.png", "conversations": rows})
    tokenizer = load_tokenizer(folder.parent)
    expected, supervised = [IMAGE] * P, [False] * P
    for question, answer in turns:
        asked = tokenizer.encode(question_text(question), add_special_tokens=False).ids
        told = [*tokenizer.encode(answer_text(answer), add_special_tokens=False).ids, END_OF_TEXT]
        expected += asked + told
        supervised += [False] * len(asked) + [True] * len(told)
    batch = data(folder).batch(0, 1)
    assert batch.ids.tolist() == [expected[:-1]]
    targets = [
        token if is_answer else IGNORE
        for token, is_answer in zip(expected, supervised, strict=True)
    ]
    assert batch.targets.tolist() == [targets[1:]]
    assert (batch.documents == 0).all()
    images = data(folder).images
    assert [images.key(int(index)) for index in batch.images] == ["images/instruction_000007.png"]


def test_a_row_of_text_begins_where_a_document_ends(part: Callable[[str], Path]) -> None:
    folder = part("instructions")
    write_rows(folder, {"conversations": say(("what is 1 + 2?", "3"))})
    batch = data(folder).batch(0, 1)
    tokenizer = load_tokenizer(folder.parent)
    ids = tokenizer.encode("In: what is 1 + 2? Out: 3", add_special_tokens=False).ids
    assert batch.ids.tolist() == [[END_OF_TEXT, *ids]]
    assert batch.targets.tolist() == [[IGNORE] * (len(ids) - 1) + [ids[-1], END_OF_TEXT]]
    assert len(batch.images) == 0


def test_batches_are_as_long_as_their_longest_row(world: Path) -> None:
    source = data(world / "instructions")
    alone = [source.batch(index, 1) for index in range(8)]
    batch = source.batch(0, 8)
    assert batch.ids.shape[1] == max(one.ids.shape[1] for one in alone)
    for row, one in zip(range(8), alone, strict=True):
        n = one.ids.shape[1]
        assert (batch.ids[row, :n] == one.ids[0]).all()
        assert (batch.ids[row, n:] == PADDING).all()
        assert (batch.documents[row, n:] == -1).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 90), st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_any_cut_into_batches_gives_the_same_examples(
    world: Path, first: int, sizes: list[int]
) -> None:
    folder = world / "instructions"
    starts = (first + np.cumsum([0, *sizes[:-1]])).tolist()
    cut = [data(folder).batch(start, n) for start, n in zip(starts, sizes, strict=True)]
    whole = data(folder).batch(first, sum(sizes))
    targets = [batch.targets[batch.targets != IGNORE] for batch in cut]
    assert np.concatenate(targets).tolist() == whole.targets[whole.targets != IGNORE].tolist()
    assert np.concatenate([batch.images for batch in cut]).tolist() == whole.images.tolist()


def test_every_pass_reads_each_row_once_in_a_new_order(world: Path) -> None:
    source = data(world / "instructions")
    assert len(source) == ROWS
    passes = [[bytes(source.batch(ROWS * e + i, 1).ids) for i in range(ROWS)] for e in range(3)]
    assert Counter(passes[0]) == Counter(passes[1]) == Counter(passes[2])
    assert len({tuple(one) for one in passes}) == 3
    assert source.epochs_before(60) == 1.5


def test_with_or_without_an_index_the_batches_are_the_same(
    world: Path, unindexed: Callable[[str], Path]
) -> None:
    one = data(world / "instructions").batch(0, 100)
    other = data(unindexed("instructions")).batch(0, 100)
    assert (one.ids == other.ids).all()
    assert (one.targets == other.targets).all()
    assert (one.images == other.images).all()


def test_rows_that_are_too_long_are_cut_and_counted(world: Path) -> None:
    source = data(world / "instructions", seq_len=48)
    lengths = [
        int((data(world / "instructions").batch(i, 1).ids[0] != PADDING).sum()) for i in range(ROWS)
    ]
    assert source.batch(0, ROWS).ids.shape[1] == 48
    assert source.truncated == sum(length > 48 for length in lengths) > 0
    assert data(world / "instructions").truncated == 0


def test_a_row_whose_answer_does_not_fit_is_refused(part: Callable[[str], Path]) -> None:
    folder = part("instructions")
    write_rows(
        folder,
        {"conversations": say(("what is 1 + 2?", "3"))},
        {"conversations": say(("where is " + "the " * 70 + "?", "top"))},
    )
    with pytest.raises(DataError, match="no answer within 64 positions"):
        data(folder)


def test_another_image_beside_the_others_moves_no_row_to_a_wrong_one(
    part: Callable[[str], Path],
) -> None:
    folder = part("instructions")
    before = data(folder)
    keys = [before.images.key(int(index)) for index in before.batch(0, ROWS).images]
    (folder / "images" / "a.png").write_bytes(
        (folder / "images" / "instruction_000000.png").read_bytes()
    )
    after = data(folder)
    assert [after.images.key(int(index)) for index in after.batch(0, ROWS).images] == keys


def test_missing_rows_and_images_without_room_are_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        data(tmp_path)
    assert caught.value.where == str(tmp_path / "llava.json")
    with pytest.raises(ConfigError):
        data(world / "instructions", seq_len=P)
