"""Benchmarks as they are asked: options, averages and answers that cannot be had."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from models.data.shapeworld.vocabulary import OWN_TOKENS, UNKNOWN
from models.data.tokenizer import END_OF_TEXT
from models.evaluation.family import Family
from models.evaluation.index_file import FAMILIES, Benchmark
from models.evaluation.likelihood import Continuation, loglikelihoods
from models.evaluation.meter import Meter
from models.evaluation.outcome import Outcome
from models.evaluation.problem import Problem
from models.evaluation.question import Row
from models.evaluation.respondent import Respondent
from models.evaluation.vision import Examiner, run_vision_suite
from orchestrator.errors import ConfigError
from orchestrator.spec.suite import Images

Ask = Callable[[Benchmark], Outcome]


@pytest.fixture
def digits() -> Tokenizer:
    """A tokenizer that cuts numbers into digits, so that 1 and 10 begin alike."""
    words = [*OWN_TOKENS, *"0123456789", "In", "Out", ":", "?", ".", "how", "many"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    split = Regex(r"[0-9]|[A-Za-z]+|[^\sA-Za-z0-9]")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(split, behavior="removed", invert=True)
    return tokenizer


@pytest.fixture
def ask(respondent: Respondent, digits: Tokenizer, context_of: Callable[..., Any]) -> Ask:
    """Ask a benchmark blind."""

    def ask(benchmark: Benchmark) -> Outcome:
        context = context_of(images=Images.BLIND)
        examiner = Examiner(
            respondent=respondent,
            tokenizer=digits,
            images=None,
            suite=context.config.suite,
            seed=0,
            meter=Meter(context),
        )
        (outcome,) = run_vision_suite(examiner, [benchmark])
        return outcome

    return ask


def benchmark(name: str, rows: Sequence[Mapping[str, object]]) -> Benchmark:
    family: Family = FAMILIES[name]
    return Benchmark(
        name=name,
        family=family,
        questions=tuple(
            family.question(str(number), Row({"img_path": "a.png", **row}, "here"))
            for number, row in enumerate(rows)
        ),
    )


def test_options_that_begin_alike_are_told_apart_by_all_their_tokens(
    ask: Ask, respondent: Respondent, digits: Tokenizer
) -> None:
    counts = [12, 1, 0, 10]
    rows = [{"question": f"how many {n}?", "answer": n, "split": "simple"} for n in counts]
    asked = benchmark("tally-qa", rows)
    outcome = ask(asked)
    for question, answer in zip(asked.questions, outcome.answers, strict=True):
        prompt = (END_OF_TEXT, *digits.encode(f"In: {question.text}\nOut:").ids)
        found = loglikelihoods(
            respondent,
            [
                Continuation((*prompt, *digits.encode(str(n)).ids, END_OF_TEXT), len(prompt))
                for n in range(13)
            ],
        )
        nats = [one.nats for one in found]
        assert answer.prediction == str(nats.index(max(nats)))
        assert answer.loglikelihood == pytest.approx(nats[int(question.answer)], abs=1e-4)
        assert answer.baseline == 1 / 13
        likelihoods = [math.exp(one) for one in nats]
        share = likelihoods[int(question.answer)] / sum(likelihoods)
        assert answer.probability == pytest.approx(share, rel=1e-3)  # of float32 logits
    scores = {score.metric: score for score in outcome.others}
    chances = [answer.probability or 0 for answer in outcome.answers]
    assert scores["answer_probability"].value == pytest.approx(sum(chances) / 4)
    assert scores["auroc"].n == scores["average_precision"].n == 4


def test_popes_splits_weigh_alike_whatever_their_sizes(ask: Ask) -> None:
    splits = ["random"] * 6 + ["popular"] * 2 + ["adversarial"]
    rows = [
        {"question": f"how {i}?", "answer": "yes" if i % 2 else "no", "split": split}
        for i, split in enumerate(splits)
    ]
    outcome = ask(benchmark("pope", rows))
    scores = {score.metric: score for score in outcome.others}
    parts = [scores[f"accuracy_{split}"] for split in ("random", "popular", "adversarial")]
    assert [part.n for part in parts] == [6, 2, 1]
    assert outcome.headline.value == pytest.approx(sum(part.value or 0 for part in parts) / 3)
    # Always "no" is right on half of two splits and on the one question of the third.
    assert scores["majority_accuracy"].value == pytest.approx((0.5 + 0.5 + 1) / 3)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("pope", [{"question": "how?", "answer": a, "split": "random"} for a in ("yes", "no")]),
        ("vsr", [{"caption": "how.", "true_false": truth} for truth in (True, False)]),
        ("tally-qa", [{"question": "how?", "answer": n, "split": "simple"} for n in (1, 2)]),
        ("tally-qa-letters", [{"question": "?", "answer": n, "split": "simple"} for n in (1, 2)]),
        (
            "ai2d",
            [
                {"question": "how?", "answer_choices": ["1", "2"], "answer_label": label}
                for label in (0, 1)
            ],
        ),
    ],
)
def test_options_that_are_chosen_have_probabilities_that_are_ranked(
    ask: Ask, name: str, rows: list[dict[str, object]]
) -> None:
    outcome = ask(benchmark(name, rows))
    scores = {score.metric: score for score in outcome.others}
    chances = [answer.probability for answer in outcome.answers]
    # Asked blind, both questions have the same words, and so the same probabilities: a tie.
    assert scores["auroc"].value == 0.5
    assert scores["average_precision"].value == 0.5
    assert all(chance is not None and 0 < chance < 1 for chance in chances)
    assert scores["answer_probability"].n == 2


def test_free_answers_have_no_probability(ask: Ask) -> None:
    rows = [{"question": "how?", "answer": "5", "all_answers": ["5"] * 10}]
    outcome = ask(benchmark("vqa-v2", rows))
    assert [answer.probability for answer in outcome.answers] == [None]
    assert "answer_probability" not in {score.metric for score in outcome.others}


def test_vqa_scores_are_also_given_for_each_type_of_answer(ask: Ask) -> None:
    rows = [
        {"question": "how?", "answer": "5", "all_answers": ["5"] * 10, "answer_type": kind}
        for kind in ("number", "other", "other")
    ]
    scores = {score.metric: score.n for score in ask(benchmark("vqa-v2", rows)).others}
    assert scores["accuracy_number"] == 1
    assert scores["accuracy_other"] == 2


def test_the_majority_answer_is_scored_softly_where_annotators_disagree(ask: Ask) -> None:
    votes = [["5"] * 10, ["5"] * 6 + ["3"] * 4, ["5"] * 2 + ["3"] * 8]
    rows = [{"question": "?", "answer": v[0], "all_answers": v, "answer_type": "x"} for v in votes]
    rows[2]["answer"] = "3"
    scores = {score.metric: score for score in ask(benchmark("vqa-v2", rows)).others}
    assert scores["majority_accuracy"].value == pytest.approx((1 + 1 + 0.6) / 3)


@pytest.mark.parametrize(
    ("name", "centre", "full"),
    # The boxes cover 0.36, 0.3 and 0.04 of the image. The guess is 0.44 by 0.46, lies inside the
    # first (0.2024 / 0.36), sticks out of the second by 0.02 (0.1932 / 0.3092), misses the third.
    [("refcoco", 2 / 3, 0), ("ocid-ref", 2 / 3, 2 / 3)],
)
def test_boxes_are_guessed_in_the_middle_and_around_everything(
    ask: Ask, name: str, centre: float, full: float
) -> None:
    boxes = [[0.2, 0.2, 0.8, 0.8], [0.2, 0.2, 0.7, 0.8], [0.0, 0.0, 0.2, 0.2]]
    rows = [
        {"ref_expression": "5", "bbox": box, "clutter_split": "Minimum Clutter"} for box in boxes
    ]
    outcome = ask(benchmark(name, rows))
    scores = {score.metric: score.value for score in outcome.others}
    assert scores["centre_box_accuracy"] == pytest.approx(centre)
    assert scores["full_image_accuracy"] == pytest.approx(full)
    assert outcome.headline.baseline == pytest.approx(centre)


def test_captions_are_written_freely_and_scored_against_all_references(ask: Ask) -> None:
    captions = [["5 5 3 1", "5 3"], ["how many", "0 2 6 4"], ["7 8 9", "7"]]
    asked = benchmark("captioning", [{"captions": some} for some in captions])
    outcome = ask(asked)
    family = asked.family.of_index(asked.questions)
    for question, answer in zip(asked.questions, outcome.answers, strict=True):
        assert answer.prediction is not None
        assert answer.score == family.score(answer.prediction, question)
        assert answer.loglikelihood is not None
    assert outcome.headline.metric == "cider_d_over_10"
    assert outcome.headline.value == pytest.approx(
        sum(answer.score or 0 for answer in outcome.answers) / 3
    )
    scores = {score.metric: score for score in outcome.others}
    assert scores["cider_d"].value == pytest.approx(10 * (outcome.headline.value or 0))
    assert {f"bleu_{n}" for n in (1, 2, 3, 4)} <= set(scores)
    # "5 5 3 1" is right for the first image alone.
    own = family.score("5 5 3 1", asked.questions[0])
    assert scores["majority_cider_d_over_10"].value == pytest.approx(own / 3)


def test_a_captions_score_does_not_depend_on_how_many_are_asked_for(
    respondent: Respondent, digits: Tokenizer, context_of: Callable[..., Any]
) -> None:
    rows = [{"captions": [f"{n} {n + 1} how many"]} for n in range(6)]
    found: list[dict[str, float | None]] = []
    for limit in (None, 2):
        context = context_of(images=Images.BLIND, limit=limit)
        examiner = Examiner(
            respondent=respondent,
            tokenizer=digits,
            images=None,
            suite=context.config.suite,
            seed=0,
            meter=Meter(context),
        )
        (outcome,) = run_vision_suite(examiner, [benchmark("captioning", rows)])
        found.append({answer.question_id: answer.score for answer in outcome.answers})
        found.append({answer.question_id: answer.baseline for answer in outcome.answers})
    every, guessed, some, guessed_of_some = found
    assert len(some) == 2
    assert some.items() <= every.items()
    assert guessed_of_some.items() <= guessed.items()


def test_an_answer_without_end_is_cut_off_and_counted(ask: Ask) -> None:
    rows = [{"question": "how?", "answer": "5", "all_answers": ["5"] * 10}]
    (answer,) = ask(benchmark("vqa-v2", rows)).answers
    assert "unfinished_answers" in answer.problems
    assert answer.score == 0


def test_a_question_that_does_not_fit_loses_its_beginning(ask: Ask) -> None:
    rows = [
        {"question": f"how {first} " + "5 " * 100, "answer": 7, "split": "simple"}
        for first in (1, 2)
    ]
    one, other = ask(benchmark("tally-qa", rows)).answers
    assert one.problems == other.problems == (Problem.TRUNCATED_QUESTION,)
    assert one.loglikelihood == other.loglikelihood


def test_a_sequence_without_room_for_a_question_is_refused(
    respondent: Respondent, digits: Tokenizer, context_of: Callable[..., Any]
) -> None:
    context = context_of(images=Images.BLIND)
    examiner = Examiner(
        respondent=replace(respondent, seq_len=2),
        tokenizer=digits,
        images=None,
        suite=context.config.suite,
        seed=0,
        meter=Meter(context),
    )
    rows = [{"question": "how many?", "answer": 123, "split": "simple"}]
    with pytest.raises(ConfigError) as caught:
        run_vision_suite(examiner, [benchmark("tally-qa", rows)])
    assert caught.value.where == "model.seq_len"
