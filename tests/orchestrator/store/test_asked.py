"""Which questions were asked: the list on disk, and what two lists do not have alike."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import RecordError
from orchestrator.store.asked import Asked, AskedBenchmark, differences, read_asked, write_asked

VQA = AskedBenchmark.of("vqa", ["1", "2", "3"], ())
ARC = AskedBenchmark.of("arc_easy", ["7"], ("lm-eval 0.4.9", "arc_easy 1.0"))
ASKED = Asked(prompt_version=1, benchmarks=(VQA, ARC))


def test_a_list_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "questions.json"
    write_asked(path, ASKED)
    assert read_asked(path) == ASKED
    content = path.read_bytes()
    write_asked(path, ASKED)
    assert path.read_bytes() == content


def test_the_hash_is_that_of_a_json_list_without_spaces() -> None:
    assert VQA.sha256 == hashlib.sha256(b'["1","2","3"]').hexdigest()
    assert VQA.n == 3


def test_ids_that_only_together_read_alike_have_other_hashes() -> None:
    assert (
        AskedBenchmark.of("b", ["1", "23"], ()).sha256
        != AskedBenchmark.of("b", ["12", "3"], ()).sha256
    )


def test_a_damaged_list_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "questions.json"
    path.write_text('{"format": 1, "prompt_version": 1}')
    with pytest.raises(RecordError) as caught:
        read_asked(path)
    assert str(path) in caught.value.where


def test_the_same_lists_differ_in_nothing() -> None:
    assert list(differences(ASKED, ASKED)) == []


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(ASKED, prompt_version=2), "prompt_version 1, B in those of 2"),
        (
            replace(ASKED, benchmarks=(AskedBenchmark.of("vqa", ["2", "3", "4", "5"], ()), ARC)),
            "vqa: other subsets of questions (A 3, B 4): only the 2 that both",
        ),
        (
            replace(ASKED, benchmarks=(AskedBenchmark.of("vqa", ["3", "2", "1"], ()), ARC)),
            "vqa: the same questions in another order",
        ),
        (
            replace(ASKED, benchmarks=(VQA, replace(ARC, versions=("lm-eval 0.4.8",)))),
            "arc_easy: other versions (lm-eval 0.4.9, arc_easy 1.0; lm-eval 0.4.8)",
        ),
        (replace(ASKED, benchmarks=(VQA,)), "arc_easy: only A was asked it"),
        (
            replace(ASKED, benchmarks=(VQA, ARC, replace(VQA, benchmark="gqa"))),
            "gqa: only B was asked it",
        ),
    ],
)
def test_what_is_not_alike_is_said(other: Asked, said: str) -> None:
    (sentence,) = differences(ASKED, other)
    assert said in sentence
