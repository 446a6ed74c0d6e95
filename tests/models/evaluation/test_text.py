"""Text benchmarks: through the harness, and what it makes of a model's likelihoods."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.tasks import TaskManager  # pyright: ignore[reportMissingTypeStubs]  (no types)
from tokenizers import Tokenizer

from models.data.tokenizer import END_OF_TEXT
from models.evaluation import text
from models.evaluation.likelihood import Continuation, loglikelihoods
from models.evaluation.meter import Meter
from models.evaluation.outcome import Outcome
from models.evaluation.problem import Problem
from models.evaluation.respondent import Respondent
from models.evaluation.text import TextExaminer, load_tasks, run_text_suite
from models.evaluation.text_model import TextModel
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import SuiteConfig, SuiteKind

TASK = """
output_type: multiple_choice
test_split: test
doc_to_text: "In: {{question}}\\nOut:"
doc_to_choice: choices
doc_to_target: answer
target_delimiter: " "
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
metadata: {data_file: rows.jsonl, version: 1}
"""
ROWS: list[dict[str, Any]] = [
    {"question": "what colour?", "choices": ["red", "blue"], "answer": 0},
    {"question": "what shape?", "choices": ["cross", "circle", "square", "left"], "answer": 1},
    {"question": "where?", "choices": ["top left", "top", "bottom", "left"], "answer": 3},
]
Ask = Callable[..., Outcome]


@pytest.fixture
def ask(
    tmp_path: Path,
    respondent: Respondent,
    tokenizer: Tokenizer,
    context_of: Callable[..., Any],
) -> Ask:
    """Ask one task, `colours`, of these rows."""

    def ask(
        task: str = TASK,
        rows: list[dict[str, Any]] = ROWS,
        name: str = "colours",
        limit: int | None = None,
    ) -> Outcome:
        (tmp_path / "tasks").mkdir(exist_ok=True)
        (tmp_path / "tasks" / "colours.yaml").write_text(task)
        (tmp_path / "tasks" / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
        suite = SuiteConfig(
            name="text",
            kind=SuiteKind.TEXT,
            data=DataSource(name="shapeworld/benchmarks", version="world"),
            benchmarks=(name,),
            limit=limit,
        )
        meter = Meter(context_of())
        examiner = TextExaminer(TextModel(respondent, tokenizer), tmp_path, suite, meter)
        (outcome,) = run_text_suite(examiner)
        return outcome

    return ask


def nats(respondent: Respondent, tokenizer: Tokenizer, question: str, answer: str) -> float:
    prompt = (END_OF_TEXT, *tokenizer.encode(f"In: {question}\nOut:").ids)
    end = tuple(tokenizer.encode(f" {answer}").ids)
    return loglikelihoods(respondent, [Continuation((*prompt, *end), len(prompt))])[0].nats


def test_the_likeliest_choice_is_taken_and_scored(
    ask: Ask, respondent: Respondent, tokenizer: Tokenizer
) -> None:
    outcome = ask()
    right: list[float] = []
    for row, answer in zip(ROWS, outcome.answers, strict=True):
        found = [nats(respondent, tokenizer, row["question"], c) for c in row["choices"]]
        assert answer.loglikelihood == pytest.approx(found[row["answer"]], abs=1e-4)
        assert answer.prediction == row["choices"][found.index(max(found))]
        assert answer.score == float(found.index(max(found)) == row["answer"])
        assert answer.baseline == 1 / len(found)
        right.append(found[row["answer"]])
    assert outcome.headline.metric == "acc"
    assert outcome.headline.n == 3
    assert outcome.headline.baseline == pytest.approx((1 / 2 + 1 / 4 + 1 / 4) / 3)
    (answer_nats,) = outcome.others
    assert answer_nats.metric == "answer_nats"
    assert answer_nats.value == pytest.approx(math.fsum(right) / 3, abs=1e-4)


def test_a_limit_keeps_the_answers_of_the_chosen_documents(ask: Ask) -> None:
    rows = [{**ROWS[number % 3], "question_id": f"q{number}"} for number in range(9)]
    every = {answer.question_id: answer for answer in ask(rows=rows).answers}
    some = ask(rows=rows, limit=4).answers
    assert len(some) == 4
    assert all(every[answer.question_id] == answer for answer in some)


def test_documents_may_have_several_right_choices(ask: Ask) -> None:
    task = TASK.replace("doc_to_target: answer", "doc_to_target: right")
    rows = [{**row, "right": [0, 1]} for row in ROWS]
    answers = ask(task, rows).answers
    assert [answer.baseline for answer in answers] == [1, 0.5, 0.5]
    assert answers[0].score == 1


def test_a_task_may_generate(ask: Ask) -> None:
    task = GENERATE
    rows = [{"question": "what colour?", "target": "red"}] * 2
    outcome = ask(task, rows)
    assert outcome.headline.metric == "exact_match"
    assert outcome.headline.baseline == 0
    assert outcome.answers[0].prediction == outcome.answers[1].prediction
    assert " " not in (outcome.answers[0].prediction or "")
    sampled = task.replace("do_sample: false", "do_sample: true")
    with pytest.raises(ConfigError, match="sampling"):
        ask(sampled, rows)


def test_a_perplexity_is_reported_and_left_out_of_the_average(
    ask: Ask, respondent: Respondent, tokenizer: Tokenizer
) -> None:
    task = """
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: text
metric_list:
  - {metric: byte_perplexity, aggregation: weighted_perplexity, higher_is_better: false}
metadata: {data_file: rows.jsonl}
"""
    words = "a red circle is at the top. " * 30  # longer than the model's sequence
    outcome = ask(task, [{"text": words}])
    (found,) = TextModel(respondent, tokenizer).read_whole([words])
    assert outcome.headline.value is None
    assert outcome.headline.reason
    values = {score.metric: score.value for score in outcome.others}
    assert values["byte_perplexity"] == pytest.approx(math.exp(-found.nats / len(words)))
    assert values["answer_nats"] == pytest.approx(found.nats)


def test_context_that_does_not_fit_is_counted(ask: Ask) -> None:
    rows = [{**ROWS[0], "question": "what is red? " * 60}, ROWS[0]]
    outcome = ask(rows=rows)
    assert [answer.problems for answer in outcome.answers] == [("truncated_contexts",), ()]


def test_a_task_may_name_the_key_of_its_prompt(ask: Ask) -> None:
    written = ask().answers
    rows = [{**row, "prompt": f"In: {row['question']}\nOut:"} for row in ROWS]
    named = ask(TASK.replace('"In: {{question}}\\nOut:"', "prompt"), rows).answers
    assert named == written


GENERATE = """
output_type: generate_until
test_split: test
doc_to_text: "In: {{question}}\\nOut:"
doc_to_target: target
generation_kwargs: {until: [" "], max_gen_toks: 3, do_sample: false}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
metadata: {data_file: rows.jsonl}
"""


def test_a_text_that_is_empty_is_counted(ask: Ask, respondent: Respondent) -> None:
    with torch.no_grad():  # all tokens are equally likely, and END_OF_TEXT is the first of them
        output = respondent.model.decoder.output
        assert output is not None
        output.weight.zero_()
    (answer,) = ask(GENERATE, [{"question": "what colour?", "target": "red"}]).answers
    assert answer.prediction == ""
    assert answer.score == 0
    assert answer.problems == (Problem.EMPTY_ANSWER,)


def test_a_text_without_end_is_counted(ask: Ask) -> None:
    task = GENERATE.replace('until: [" "]', "until: []")
    rows = [{"question": f"what {word}?", "target": "red"} for word in ("colour", "shape")]
    some = ask(task, [{**row, "question_id": f"q{n}"} for n, row in enumerate(rows)]).answers
    assert [answer.problems for answer in some] == [(Problem.UNFINISHED_ANSWER,)] * 2


def test_problems_stand_beside_the_document_that_has_them(ask: Ask) -> None:
    rows = [{**ROWS[0], "question_id": f"q{number}"} for number in range(9)]
    rows[4]["question"] = "what is red? " * 60
    for limit in (*range(1, 9), None):
        asked = ask(rows=rows, limit=limit).answers
        names = [one.question_id for one in asked]
        counted = [one.question_id for one in asked if one.problems]
        assert counted == [name for name in names if name == "q4"]


def test_an_empty_choice_is_refused_rather_than_always_taken(ask: Ask) -> None:
    rows = [ROWS[0], {**ROWS[1], "choices": ["", "circle"], "answer": 1}]
    with pytest.raises(DataError) as caught:
        ask(TASK.replace('" "', '""'), rows)
    assert caught.value.where == "colours"
    assert "what shape?" in caught.value.what


def test_an_empty_text_is_certain_and_does_not_stop_the_others(
    respondent: Respondent, tokenizer: Tokenizer
) -> None:
    model = TextModel(respondent, tokenizer)
    empty, other = model.read_whole(["", "a red circle"])
    assert (empty.nats, empty.is_greedy) == (0, True)
    assert model.read_whole(["", ""]) == [empty, empty]
    assert other.nats < 0


def test_nothing_is_left_in_a_cache_folder(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    ask()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tasks"]


@pytest.mark.parametrize(
    "task",
    [
        TASK.replace("data_file: rows.jsonl, ", ""),
        TASK.replace("rows.jsonl", "none.jsonl"),
        TASK + "unknown_key: 1\n",
        "- a list\n",
        "a: [broken\n",
    ],
)
def test_a_local_task_that_cannot_be_read_is_refused_with_its_place(
    ask: Ask, tmp_path: Path, task: str
) -> None:
    with pytest.raises(DataError) as caught:
        ask(task)
    assert str(tmp_path / "tasks") in caught.value.where


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [1],
        ["text"],
        [ROWS[0], {"question": "where?", "choices": ["top", "left"]}],
        [{**row, "question_id": "the same"} for row in ROWS],
        [{**ROWS[0], "question": "half of a pair: \ud83d"}],
    ],
    ids=["none", "numbers", "texts", "a key lacks", "an id twice", "half of a pair"],
)
def test_documents_that_cannot_be_asked_are_refused(
    ask: Ask, tmp_path: Path, rows: list[Any]
) -> None:
    with pytest.raises(DataError) as caught:
        ask(rows=rows)
    assert str(tmp_path / "tasks" / "rows.jsonl") in caught.value.where


def test_files_that_are_not_utf8_are_refused_with_their_place(ask: Ask, tmp_path: Path) -> None:
    ask()
    for name in ("rows.jsonl", "colours.yaml"):
        path = tmp_path / "tasks" / name
        path.write_bytes(path.read_bytes() + b"\n# caf\xe9\n")
        with pytest.raises(DataError) as caught:
            load_tasks(tmp_path / "tasks", "colours")
        assert caught.value.where == str(path)


def test_a_document_may_hold_any_line_separator_of_unicode(ask: Ask, tmp_path: Path) -> None:
    ask()
    row = {**ROWS[0], "question": "what\u2028colour?\x85"}
    line = json.dumps(row, ensure_ascii=False)
    (tmp_path / "tasks" / "rows.jsonl").write_text(line, encoding="utf-8")
    (task,) = load_tasks(tmp_path / "tasks", "colours")
    assert list(task.eval_docs) == [row]


def of_the_harness(folder: Path, tasks: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these be the harness's tasks, in the place of its own thousands."""
    (folder / "harness").mkdir()
    for name, content in tasks.items():
        (folder / "harness" / f"{name}.yaml").write_text(content)
    index = TaskManager(include_path=str(folder / "harness"), include_defaults=False)
    monkeypatch.setattr(text, "harness_index", lambda: index)


def test_an_unknown_name_is_refused_with_the_local_ones(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_harness(tmp_path, {}, monkeypatch)
    with pytest.raises(ConfigError) as caught:
        ask(name="no_such_task")
    assert "colours" in caught.value.mend


def test_a_task_whose_documents_cannot_be_had_is_refused(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = f"task: far\ndataset_path: json\ndataset_kwargs: {{data_files: {tmp_path}/none}}\n"
    of_the_harness(tmp_path, {"far": config + TASK}, monkeypatch)
    with pytest.raises(ConfigError) as caught:
        ask(name="far")
    assert "far.yaml" in caught.value.mend


def test_the_questions_of_a_group_of_tasks_count_alike(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = {"group": "group: both\ntask: [one, two]\n"}
    for name, rows in (("one", ROWS), ("two", ROWS[:1])):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        where = f"{{data_files: {{test: {path}}}, cache_dir: {tmp_path / 'cache'}}}"
        tasks[name] = f"task: {name}\ndataset_path: json\ndataset_kwargs: {where}\n{TASK}"
    of_the_harness(tmp_path, tasks, monkeypatch)
    outcome = ask(name="both")
    scores = [answer.score or 0 for answer in outcome.answers]
    assert [answer.question_id for answer in outcome.answers] == [
        "one/0",
        "one/1",
        "one/2",
        "two/0",
    ]
    assert outcome.headline.value == sum(scores) / 4
    assert outcome.headline.baseline == pytest.approx((1 / 2 + 1 / 4 + 1 / 4 + 1 / 2) / 4)
