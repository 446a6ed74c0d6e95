"""Reading benchmarks: what is wrong is refused, with its place."""

import json
from pathlib import Path

import pytest

from models.evaluation.index_file import load_benchmarks
from orchestrator.errors import ConfigError, DataError

ROW = {"question": "how many?", "img_path": "a.png", "answer": 2, "split": "simple"}
DECLARED = {"count": {"family": "tally-qa", "index": "count.json"}}


def write(folder: Path, declared: object, index: object) -> None:
    (folder / "benchmarks.json").write_text(json.dumps(declared))
    (folder / "count.json").write_text(json.dumps(index))


def test_rows_come_in_the_order_of_the_index(tmp_path: Path) -> None:
    write(tmp_path, DECLARED, {"b": ROW, "a": {**ROW, "answer": "1"}})
    (benchmark,) = load_benchmarks(tmp_path, ("count",))
    assert [q.question_id for q in benchmark.questions] == ["b", "a"]
    assert [q.answer for q in benchmark.questions] == ["2", "1"]


@pytest.mark.parametrize(
    ("wording", "text"),
    [
        ({}, "how many?\nAnswer the question using a single word or phrase."),
        ({"wording": "published"}, "how many?\nAnswer the question using a single word or phrase."),
        ({"wording": "plain"}, "how many?"),
    ],
)
def test_questions_are_asked_in_the_published_words_unless_declared_plain(
    wording: dict[str, str], text: str, tmp_path: Path
) -> None:
    write(tmp_path, {"count": {**DECLARED["count"], **wording}}, {"a": ROW})
    (benchmark,) = load_benchmarks(tmp_path, ("count",))
    assert benchmark.questions[0].text == text


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, DECLARED, {"a": ROW})
    with pytest.raises(ConfigError) as caught:
        load_benchmarks(tmp_path, ("tally",))
    assert "count" in caught.value.mend


@pytest.mark.parametrize(
    ("declared", "index", "where"),
    [
        ({"count": {"family": "nocaps", "index": "count.json"}}, {"a": ROW}, "benchmarks.json"),
        ({"count": {"family": "tally-qa"}}, {"a": ROW}, "benchmarks.json"),
        ({"count": {**DECLARED["count"], "wording": "terse"}}, {"a": ROW}, "benchmarks.json"),
        ({"count": {"family": "tally-qa", "index": "none.json"}}, {"a": ROW}, "none.json"),
        ({"count": {**DECLARED["count"], "rule": "official"}}, {"a": ROW}, "benchmarks.json"),
        ({"count": {**DECLARED["count"], "rule": "strict"}}, {"a": ROW}, "benchmarks.json"),
        ([], {"a": ROW}, "benchmarks.json"),
        (DECLARED, {}, "count.json"),
        (DECLARED, [ROW], "count.json"),
        (DECLARED, {"a": [ROW]}, "count.json: a"),
        (DECLARED, {"a": {**ROW, "img_path": None}}, "count.json: a"),
        (DECLARED, {"a": {**ROW, "answer": "many"}}, "count.json: a"),
    ],
)
def test_a_damaged_file_is_refused_with_its_place(
    tmp_path: Path, declared: object, index: object, where: str
) -> None:
    write(tmp_path, declared, index)
    with pytest.raises(DataError) as caught:
        load_benchmarks(tmp_path, ("count",))
    assert where in caught.value.where


def test_a_rule_chooses_whose_script_scores(tmp_path: Path) -> None:
    row = {"question": "what?", "img_path": "a.png", "answer": "t-shirt"}
    official = {"family": "gqa", "index": "count.json", "rule": "official"}
    published = {"family": "gqa", "index": "count.json", "rule": "vlm-evaluation"}
    write(tmp_path, {"official": official, "published": published}, {"a": row})
    benchmarks = load_benchmarks(tmp_path, ("official", "published"))
    assert [one.family.score("t-shirt", one.questions[0]) for one in benchmarks] == [1, 0]


def test_a_key_that_is_there_twice_is_refused_with_its_place(tmp_path: Path) -> None:
    write(tmp_path, DECLARED, {"a": ROW})
    one = json.dumps({"a": ROW})[1:-1]
    (tmp_path / "count.json").write_text(f"{{{one}, {one}}}")
    with pytest.raises(DataError) as caught:
        load_benchmarks(tmp_path, ("count",))
    assert caught.value.where == f"{tmp_path / 'count.json'}: a"


def test_text_that_is_not_utf8_is_refused_with_its_file(tmp_path: Path) -> None:
    write(tmp_path, DECLARED, {"a": ROW})
    (tmp_path / "count.json").write_bytes(b'{"a": "caf\xe9"}')
    with pytest.raises(DataError) as caught:
        load_benchmarks(tmp_path, ("count",))
    assert caught.value.where == str(tmp_path / "count.json")


@pytest.mark.parametrize("row", [{**ROW, "question": "\ud83d"}, {**ROW, "more": ["\ude00"]}])
def test_half_of_a_surrogate_pair_is_refused_with_its_file(
    tmp_path: Path, row: dict[str, object]
) -> None:
    write(tmp_path, DECLARED, {"a": row})
    with pytest.raises(DataError) as caught:
        load_benchmarks(tmp_path, ("count",))
    assert caught.value.where == str(tmp_path / "count.json")


def test_a_whole_surrogate_pair_is_a_character(tmp_path: Path) -> None:
    write(tmp_path, DECLARED, {"a": {**ROW, "question": "\U0001f600?"}})
    (benchmark,) = load_benchmarks(tmp_path, ("count",))
    assert benchmark.questions[0].text.startswith("\U0001f600?")


def test_an_empty_question_is_asked_and_counted(tmp_path: Path) -> None:
    write(tmp_path, DECLARED, {"a": {**ROW, "question": " "}, "b": ROW})
    (benchmark,) = load_benchmarks(tmp_path, ("count",))
    found = [benchmark.family.problems("2", question) for question in benchmark.questions]
    assert found == [("empty_questions",), ()]
