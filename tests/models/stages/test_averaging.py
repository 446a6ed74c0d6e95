"""A soup is the mean of its members, greedy ones leave out what lowers the score."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models import stages
from models.architecture.build import build_model
from models.data.prompt import answer_text
from models.data.tokenizer import load_tokenizer
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from orchestrator.errors import ConfigError, RecordError
from orchestrator.spec.identity import run_id
from orchestrator.spec.run import Average, Evaluate, Soup
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import SuiteConfig, SuiteKind
from orchestrator.store.layout import RunFolder
from orchestrator.store.stage import Measure, StageResult, StoppedError
from orchestrator.store.world import World
from tests.models.evaluation.test_dealing import together

Contexts = Callable[..., Any]
Run = Callable[[Any], StageResult]

COUNT = "shapeworld_count"
SUITE = SuiteConfig(
    name="chosen_by",
    kind=SuiteKind.VISION,
    data=DataSource(name="shapeworld/benchmarks", version="tiny"),
    benchmarks=(COUNT,),
)


@pytest.fixture
def average(declared: Any) -> Callable[..., Average]:
    """Declare a soup of these members."""

    def average(*members: str, selection: SuiteConfig | None = None) -> Average:
        return Average(
            model=declared.model,
            vision=declared.vision,
            members=members,
            soup=Soup.GREEDY if selection else Soup.UNIFORM,
            selection=selection,
            tower=run_id(declared.tower),
        )

    return average


@pytest.fixture
def leave(declared: Any, tmp_path: Path) -> Callable[..., dict[str, Tensor]]:
    """Leave a finished run of a model of random weights, changed a little; return its weights."""

    def leave(
        name: str, seed: int = 0, *, shape: Any = None, change: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        model = build_model(shape or declared.model, declared.vision, seed)
        weights = {**model.state_dict(), **(change or {})}
        folder = RunFolder(tmp_path / "runs" / name)
        checkpoint.save(
            folder.checkpoints,
            Checkpoint(step=1, position=1, counters={}, weights=weights, optimizer=None),
            keep=1,
        )
        return weights

    return leave


def weights(context: Any) -> dict[str, Tensor]:
    return dict(checkpoint.finished(context.folder).weights)


def recipe(context: Any) -> list[dict[str, Any]]:
    return json.loads((context.folder.artifacts / "soup.json").read_text())["members"]


def test_a_uniform_soup_is_the_mean_of_its_members(
    stage_context: Contexts, average: Contexts, leave: Contexts, run: Run
) -> None:
    members = [leave(name, seed) for seed, name in enumerate("abc")]
    context = stage_context(average("a", "b", "c"))
    result = run(context)
    found = weights(context)
    assert found.keys() == members[0].keys()
    for name, tensor in found.items():
        expected = torch.stack([member[name].double() for member in members]).mean(0)
        torch.testing.assert_close(tensor.double(), expected, rtol=1e-6, atol=1e-7)  # fp32
        assert tensor.dtype == members[0][name].dtype
    assert result.measures == ()
    assert result.counts == {
        "members": 3,
        "members_taken": 3,
        "place_a": 1,
        "place_b": 2,
        "place_c": 3,
    }
    assert [one["run_id"] for one in recipe(context)] == ["a", "b", "c"]


def test_a_soup_lies_where_and_as_fine_tuning_leaves_a_model(
    stage_context: Contexts, declared: Any, average: Contexts, run: Run
) -> None:
    others = [replace(declared.finetune, seed=seed) for seed in (1, 2)]
    for config in (declared.tower, declared.branch, *others):
        run(stage_context(config))
    context = stage_context(average(*map(run_id, others)))
    run(context)
    tuned, mixed = (
        {
            path.name: path
            for folder in stage_context(config).folder.checkpoints.iterdir()
            for path in folder.iterdir()
        }
        for config in (others[0], context.config)
    )
    assert tuned.keys() == mixed.keys()
    tensors = [checkpoint.read(files["state.json"].parent).weights for files in (tuned, mixed)]
    assert [(name, t.shape, t.dtype) for name, t in sorted(tensors[0].items())] == [
        (name, t.shape, t.dtype) for name, t in sorted(tensors[1].items())
    ]


HALVES = torch.eye(2).repeat_interleave(16, 1) / 4
"""Two directions at right angles, each of length 1, (2, width)."""


def inclined(
    weights: dict[str, Tensor], offset: Tensor, tokens: dict[int, Tensor]
) -> dict[str, Tensor]:
    """Let a model prefer some tokens everywhere: by the last norm's offset, read by the output."""
    output = weights["decoder.output.weight"].clone()
    for token, direction in tokens.items():
        output[token] += direction
    return {"decoder.norm.bias": 10 * offset, "decoder.output.weight": output}


@pytest.fixture
def tower(stage_context: Contexts, declared: Any, run: Run) -> None:
    """Train the tower."""
    run(stage_context(declared.tower))


@pytest.fixture
def best_score(world: Path, leave: Contexts, declared: Any) -> float:
    """Leave models that count: the `best` names the commonest number, the others another.

    The `loud` one outvotes the best in an average, the `quiet` one does not. `one` and `another`
    each know the commonest number, but see it by the offset of the other alone. Returns the score
    of the best.
    """
    folder = world / "shapeworld-tiny"
    rows = json.loads((folder / "benchmarks" / f"{COUNT}.json").read_text())
    counts = Counter(row["answer"] for row in rows.values())
    (common, times), (rare, fewer) = counts.most_common(2)
    assert times > fewer, "the world was made otherwise"
    tokenizer = load_tokenizer(folder)

    def token(number: int) -> int:
        return tokenizer.encode(answer_text(str(number)), add_special_tokens=False).ids[0]

    plain = build_model(declared.model, declared.vision, 0).state_dict()
    common, rare = token(common), token(rare)
    along, across = HALVES
    for name, offset, tokens in (
        ("best", along, {common: 10 * along}),
        ("loud", along, {rare: 100 * along}),
        ("quiet", along, {rare: 5 * along}),
        ("one", along, {rare: 10 * along, common: 30 * across}),
        ("another", across, {rare: 10 * across, common: 30 * along}),
    ):
        leave(name, change=inclined(plain, offset, tokens))
    return times / len(rows)


@pytest.mark.usefixtures("tower")
def test_a_greedy_soup_leaves_out_what_lowers_the_score(
    stage_context: Contexts,
    average: Contexts,
    run: Run,
    best_score: float,
) -> None:
    context = stage_context(average("loud", "quiet", "best", selection=SUITE))
    result = run(context)
    assert [(one["run_id"], one["is_taken"]) for one in recipe(context)] == [
        ("best", True),
        ("loud", False),
        ("quiet", True),
    ]
    own = {one["run_id"]: one["score"] for one in recipe(context)}
    joined = {one["run_id"]: one["soup_score"] for one in recipe(context)}
    assert own["best"] == joined["best"] == joined["quiet"] == pytest.approx(best_score)
    assert joined["loud"] == own["loud"] < best_score
    assert result.counts == {"members": 3, "members_taken": 2, "place_best": 1, "place_quiet": 2}
    members = [weights(stage_context(context.config, name=name)) for name in ("best", "quiet")]
    for name, tensor in weights(context).items():
        mean = (members[0][name].double() + members[1][name].double()) / 2
        torch.testing.assert_close(tensor.double(), mean, rtol=1e-6, atol=1e-7)  # fp32


@pytest.mark.usefixtures("tower")
def test_a_soup_may_be_better_than_each_of_its_members(
    stage_context: Contexts, average: Contexts, run: Run, best_score: float
) -> None:
    context = stage_context(average("another", "one", selection=SUITE))
    measures = run(context).measures
    assert [measure.benchmark for measure in measures] == ["another", "one", "soup"]
    another, one, soup = (measure.value or 0 for measure in measures)
    assert another == one < soup == pytest.approx(best_score)


@pytest.mark.usefixtures("tower")
def test_the_scores_of_members_are_recorded_in_the_order_they_were_tried(
    stage_context: Contexts, average: Contexts, run: Run, best_score: float
) -> None:
    context = stage_context(average("loud", "quiet", "best", selection=SUITE))
    measures = run(context).measures
    assert [measure.benchmark for measure in measures] == ["best", "loud", "quiet", "soup"]
    assert {(measure.suite, measure.metric, measure.n) for measure in measures} == {
        ("soup", "score", 6)
    }
    assert [measure.value for measure in measures] == [
        *(one["score"] for one in recipe(context)),
        pytest.approx(best_score),
    ]


@pytest.mark.usefixtures("tower")
def test_an_evaluation_of_the_soup_finds_the_score_it_was_chosen_by(
    stage_context: Contexts,
    declared: Any,
    average: Contexts,
    run: Run,
    best_score: float,
) -> None:
    soup = average("loud", "quiet", "best", selection=SUITE)
    *_, chosen_by = run(stage_context(soup)).measures
    evaluation = Evaluate(
        model=declared.model,
        vision=declared.vision,
        suite=SUITE,
        parent=run_id(soup),
        tower=run_id(declared.tower),
        seed=0,
    )
    (found,) = (
        measure
        for measure in run(stage_context(evaluation)).measures
        if (measure.benchmark, measure.metric) == ("average", "score")
    )
    assert found == replace(chosen_by, suite=SUITE.name, benchmark="average")
    assert isinstance(found, Measure)
    assert found.value == pytest.approx(best_score)


@pytest.mark.usefixtures("tower", "best_score")
def test_a_soup_that_was_stopped_is_the_undisturbed_one_in_the_end(
    stage_context: Contexts, average: Contexts, run: Run
) -> None:
    configs = [
        average("loud", "best"),
        average("loud", "quiet", "best", selection=SUITE),
    ]
    for config in configs:
        undisturbed = stage_context(config, name=f"{config.soup} undisturbed")
        stopped = stage_context(config, name=f"{config.soup} stopped", stop_after=1)
        expected = run(undisturbed)
        with pytest.raises(StoppedError):
            run(stopped)
        assert left_by(stopped.folder) == {}
        stopped.stop_after = None
        assert run(stopped) == expected
        assert left_by(stopped.folder) == left_by(undisturbed.folder)
        assert run(stopped) == expected  # as after a crash before the result was written
        assert left_by(stopped.folder) == left_by(undisturbed.folder)


def left_by(folder: RunFolder) -> dict[str, bytes]:
    files = (path for path in folder.path.rglob("*") if path.is_file())
    return {str(path.relative_to(folder.path)): path.read_bytes() for path in files}


@pytest.mark.usefixtures("tower", "best_score")
def test_several_processes_choose_the_soup_of_one(
    stage_context: Contexts, average: Contexts
) -> None:
    suite = replace(SUITE, benchmarks=(COUNT, "shapeworld_vqa"))  # chosen among, and written
    soup = average("loud", "quiet", "best", selection=suite)
    asked: dict[int, list[int]] = {}
    found: dict[int, StageResult] = {}

    def work(size: int) -> Callable[[World], object]:
        def choose(world: World) -> object:
            context = stage_context(soup, name=f"by {size}")
            context.world = world
            ticks = 0

            def ask() -> bool:
                nonlocal ticks
                ticks += 1
                return False

            context.stop_requested = ask
            result = stages.average(context, batch_positions=40)  # one or two questions
            return result, context.reports, ticks

        return choose

    for size in (1, 2, 3):
        told = together(work(size), size)
        assert all(isinstance(one, tuple) for one in told), told
        asked[size] = [ticks for _, _, ticks in told]
        assert all(one[:2] == told[0][:2] for one in told)
        found[size] = told[0][0]
        assert left_by(stage_context(soup, name=f"by {size}").folder) == left_by(
            stage_context(soup, name="by 1").folder
        )
    assert found[1] == found[2] == found[3]
    assert found[1].counts["members_taken"] == 2
    assert max(asked[2]) < asked[1][0]  # nobody asks everything


@pytest.mark.usefixtures("tower", "best_score")
def test_a_stop_seen_by_one_process_stops_all_and_leaves_nothing(
    stage_context: Contexts, average: Contexts, run: Run
) -> None:
    soup = average("loud", "quiet", "best", selection=SUITE)

    def work(world: World) -> object:
        context = stage_context(soup, name="stopped", stop_after=1 if world.rank else None)
        context.world = world
        return run(context)

    assert [type(one) for one in together(work, 2)] == [StoppedError, StoppedError]
    assert left_by(stage_context(soup, name="stopped").folder) == {}


@pytest.mark.usefixtures("tower", "best_score")
def test_progress_counts_every_round_of_questions(
    stage_context: Contexts, average: Contexts, run: Run
) -> None:
    context = stage_context(average("loud", "quiet", "best", selection=SUITE))
    run(context)
    assert [report.step for report in context.reports] == [1, 2, 3, 4, 5]
    assert {report.steps for report in context.reports} == {5}
    assert context.reports[-1].position == 5 * 6


def test_a_member_of_another_shape_is_named(
    stage_context: Contexts, declared: Any, average: Contexts, leave: Contexts, run: Run
) -> None:
    leave("a")
    leave("wider", shape=replace(declared.model, ffn_multiple=64))
    with pytest.raises(RecordError) as caught:
        run(stage_context(average("a", "wider")))
    assert "w12.weight has shape" in caught.value.what
    assert "wider" in caught.value.where


def test_a_member_whose_fixed_tensors_differ_is_named(
    stage_context: Contexts, average: Contexts, leave: Contexts, run: Run
) -> None:
    first = leave("a")
    name = "decoder.layers.0.attention.pos_embed.inv_freq"
    leave("turned", change={name: first[name] * 2})
    with pytest.raises(RecordError) as caught:
        run(stage_context(average("a", "turned")))
    assert name in caught.value.what
    assert "turned" in caught.value.where


PERPLEXITY = """
task: only_perplexity
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list:
  - {metric: byte_perplexity, aggregation: weighted_perplexity, higher_is_better: false}
metadata: {version: 1, data_file: words.jsonl}
"""


def test_models_of_text_are_chosen_by_text_and_by_nothing_that_is_no_score(
    stage_context: Contexts, declared: Any, world: Path, tmp_path: Path, run: Run
) -> None:
    shutil.copytree(world, tmp_path / "data")
    tasks = tmp_path / "data" / "shapeworld-tiny" / "benchmarks" / "tasks"
    (tasks / "only_perplexity.yaml").write_text(PERPLEXITY)
    (tasks / "words.jsonl").write_text('{"text": "red circle"}\n')
    for seed, name in enumerate("ab"):
        model = build_model(declared.model, None, seed)
        saved = Checkpoint(
            step=1, position=1, counters={}, weights=model.state_dict(), optimizer=None
        )
        checkpoint.save(RunFolder(tmp_path / "runs" / name).checkpoints, saved, keep=1)

    def context(benchmark: str) -> Any:
        suite = replace(SUITE, kind=SuiteKind.TEXT, benchmarks=(benchmark,), limit=4)
        soup = Average(
            model=declared.model,
            vision=None,
            members=("a", "b"),
            soup=Soup.GREEDY,
            selection=suite,
            tower=None,
        )
        made = stage_context(soup)
        made.data_root = tmp_path / "data"
        return made

    measures = run(context("shapeworld_facts")).measures
    assert {measure.n for measure in measures} == {4}
    with pytest.raises(ConfigError) as caught:
        run(context("only_perplexity"))
    assert caught.value.where == "selection"
