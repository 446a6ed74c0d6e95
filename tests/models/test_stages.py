"""The training stages on a tiny world: exact, whatever stopped or cut them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models import stages
from models.architecture.build import build_model
from models.training import checkpoint
from models.training.training import Training
from orchestrator.errors import ConfigError, DataError, RecordError
from orchestrator.spec.execution import Execution, Precision
from orchestrator.spec.guard import BadStep, Guard
from orchestrator.spec.identity import run_id
from orchestrator.spec.model import Encoder, ModelConfig, Norm, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig, OptimizerState
from orchestrator.spec.run import (
    Finetune,
    ImageTextPretrain,
    RunConfig,
    TextPretrain,
    TowerPretrain,
)
from orchestrator.spec.schedule import Phase, Schedule, Shape, continue_from, warmup_cosine
from orchestrator.spec.source import DataSource
from orchestrator.store.stage import StageResult, StoppedError

Contexts = Callable[..., Any]

T = 128
BATCH = 4 * T
MODEL = ModelConfig(
    width=32,
    depth=2,
    heads=2,
    vocab_size=512,
    seq_len=T,
    norm=Norm.GAIN_ONLY,
    qk_norm=True,
    ffn_multiple=16,
)
CNN = VisionConfig(encoder=Encoder.CNN, image_size=48, patch_size=16, feature_width=32)
PATCH = VisionConfig(encoder=Encoder.PATCH, image_size=48, patch_size=16, feature_width=768)
OPTIMIZER = OptimizerConfig(z_loss=1e-4)
TRUNK_SCHEDULE = warmup_cosine(peak=3e-3, final=1e-5, warmup=2 * BATCH, length=9 * BATCH)


def source(part: str) -> DataSource:
    return DataSource(name=f"shapeworld/{part}", version="tiny")


TOWER = TowerPretrain(
    vision=CNN,
    scenes=source("scenes"),
    steps=3,
    batch_images=8,
    schedule=warmup_cosine(peak=3e-3, final=1e-5, warmup=8, length=24),
    optimizer=OPTIMIZER,
    features_of=(source("captions"), source("captions_val"), source("instructions")),
    seed=0,
)


def trunk(steps: int) -> TextPretrain:
    return TextPretrain(
        model=MODEL,
        text=source("text"),
        val_text=source("text_val"),
        end_tokens=steps * BATCH,
        batch_tokens=BATCH,
        schedule=TRUNK_SCHEDULE,
        optimizer=OPTIMIZER,
        seed=0,
    )


BRANCH = ImageTextPretrain(
    model=MODEL,
    vision=CNN,
    text=source("text"),
    captions=source("captions"),
    val_text=source("text_val"),
    val_captions=source("captions_val"),
    image_ratio=0.5,
    tokens=4 * BATCH,
    text_start=6 * BATCH,
    batch_tokens=BATCH,
    schedule=continue_from(TRUNK_SCHEDULE, position=6 * BATCH, final=1e-5, length=4 * BATCH),
    optimizer=OPTIMIZER,
    optimizer_state=OptimizerState.KEEP,
    seed=0,
    trunk=run_id(trunk(6)),
    tower=run_id(TOWER),
)
FINETUNE = Finetune(
    model=MODEL,
    vision=CNN,
    instructions=source("instructions"),
    examples=12,
    epochs=2,
    batch_examples=4,
    val_text=source("text_val"),
    val_captions=source("captions_val"),
    schedule=warmup_cosine(peak=1e-3, final=0.0, warmup=4, length=24),
    optimizer=OPTIMIZER,
    seed=0,
    parent=run_id(BRANCH),
    tower=run_id(TOWER),
)
FUNCTIONS: dict[type[RunConfig], Callable[[Any], StageResult]] = {
    TowerPretrain: stages.tower_pretrain,
    TextPretrain: stages.text_pretrain,
    ImageTextPretrain: stages.image_text_pretrain,
    Finetune: stages.finetune,
}


def run(context: Any) -> StageResult:
    return FUNCTIONS[type(context.config)](context)


def run_all(contexts: Contexts, *configs: RunConfig, runs: str = "runs") -> list[StageResult]:
    return [run(contexts(config, runs=runs)) for config in configs]


def final_bytes(context: Any) -> dict[str, bytes]:
    """Return the files of the run's one checkpoint."""
    (folder,) = context.folder.checkpoints.iterdir()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def weights(context: Any) -> dict[str, torch.Tensor]:
    return dict(checkpoint.finished(context.folder).weights)


def values(result: StageResult) -> dict[str, float | None]:
    return {measure.benchmark: measure.value for measure in result.measures}


def test_the_stages_follow_each_other_and_count_what_they_did(stage_context: Contexts) -> None:
    tower, text, branch, tuned = run_all(stage_context, TOWER, trunk(6), BRANCH, FINETUNE)
    assert values(tower).keys() == {"patches"}
    assert tower.counts == {"steps": 3, "images": 24, "stored_images": 40 + 8 + 12}
    assert values(text).keys() == {"val_text_loss"}
    assert text.counts["steps"] == 6
    assert text.counts["tokens"] == text.counts["text_tokens"] == 6 * BATCH
    assert text.counts["supervised_tokens"] == 6 * BATCH
    assert values(branch).keys() == {"val_text_loss", "val_caption_loss"}
    assert branch.counts["text_tokens"] == branch.counts["image_tokens"] == 2 * BATCH
    assert 2 * BATCH < branch.counts["supervised_tokens"] < branch.counts["filled_tokens"]
    assert values(tuned).keys() == {"val_text_loss", "val_caption_loss"}
    assert (tuned.counts["steps"], tuned.counts["examples"]) == (6, 24)
    assert tuned.counts["images"] == 24


def test_a_loss_falls_as_training_goes_on(stage_context: Contexts) -> None:
    longer = replace(trunk(60), schedule=warmup_cosine(peak=1e-2, final=0, warmup=1, length=10**5))
    context = stage_context(longer)
    before = torch.log(torch.tensor(512.0)).item()  # a guesser's loss
    run(context)
    assert context.reports[0].loss == pytest.approx(before, abs=1.0)
    assert context.reports[-1].loss < before / 2


def segmented(
    contexts: Contexts, runs: str, *ends: int, optimizer: OptimizerConfig = OPTIMIZER
) -> StageResult:
    """Train a trunk segment by segment and return the last one's result."""
    previous, result = None, None
    for end in ends:
        segment = replace(trunk(end), optimizer=optimizer)
        result = run(contexts(segment, runs=runs, previous=previous))
        previous = run_id(segment)
    assert result is not None
    return result


def test_a_trunk_in_segments_is_the_trunk_in_one_go(stage_context: Contexts) -> None:
    whole = segmented(stage_context, "whole", 9)
    parts = segmented(stage_context, "parts", 2, 6, 9)
    assert parts == whole
    files = (final_bytes(stage_context(trunk(9), runs=runs)) for runs in ("whole", "parts"))
    assert next(files) == next(files)


def test_a_trunk_in_segments_skips_what_the_trunk_in_one_go_skips(
    stage_context: Contexts,
) -> None:
    guard = Guard(bad_step=BadStep.SKIP, spike_sigmas=0.01, window=4, most=9)
    jumpy = replace(OPTIMIZER, guard=guard)
    whole = segmented(stage_context, "whole", 9, optimizer=jumpy)
    assert 0 < whole.counts["left_out_steps"] < 7
    for end in range(2, 9):
        assert segmented(stage_context, f"cut at {end}", end, 9, optimizer=jumpy) == whole


def test_a_branch_from_shared_segments_is_the_branch_from_a_trunk_in_one_go(
    stage_context: Contexts,
) -> None:
    results = list[StageResult]()
    for runs, ends in (("whole", (6,)), ("parts", (2, 5, 6))):
        run(stage_context(TOWER, runs=runs))
        segmented(stage_context, runs, *ends)
        results += run_all(stage_context, BRANCH, FINETUNE, runs=runs)
    assert results[:2] == results[2:]
    for config in (BRANCH, FINETUNE):
        whole, parts = (stage_context(config, runs=runs) for runs in ("whole", "parts"))
        assert final_bytes(whole) == final_bytes(parts)


def test_a_branch_of_text_alone_is_the_trunk_going_on(stage_context: Contexts) -> None:
    # Same learning rate, optimizer state kept, text read on from where the trunk stood.
    flat = Schedule(phases=(Phase(shape=Shape.CONSTANT, length=9 * BATCH, start=3e-3, end=3e-3),))
    first, whole = (replace(trunk(steps), schedule=flat) for steps in (5, 9))
    branch = replace(
        BRANCH, image_ratio=0.0, text_start=5 * BATCH, schedule=flat, trunk=run_id(first)
    )
    run_all(stage_context, TOWER, first, whole, branch)
    expected, found = weights(stage_context(whole)), weights(stage_context(branch))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.fixture
def parents(stage_context: Contexts) -> Contexts:
    """Contexts of the folder `runs`, in which the parents of every stage are finished."""
    run_all(stage_context, TOWER, trunk(6), BRANCH)
    return stage_context


@pytest.mark.parametrize(
    ("config", "steps"), [(TOWER, 2), (trunk(6), 1), (trunk(6), 5), (BRANCH, 3), (FINETUNE, 4)]
)
def test_a_stopped_stage_ends_as_an_undisturbed_one(
    parents: Contexts, config: RunConfig, steps: int
) -> None:
    undisturbed = run(parents(config, name="undisturbed"))
    with pytest.raises(StoppedError):
        run(parents(config, name="stopped", stop_after=steps))
    context = parents(config, name="stopped")
    assert run(context) == undisturbed
    assert context.resumed_at == steps
    assert final_bytes(context) == final_bytes(parents(config, name="undisturbed"))


@pytest.mark.parametrize(
    ("config", "module"),
    [
        (TOWER, "tower"),
        (trunk(6), "pretraining"),
        (BRANCH, "pretraining"),
        (FINETUNE, "finetuning"),
    ],
)
def test_every_stage_that_trains_is_guarded(
    parents: Contexts, config: Any, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = Guard(bad_step=BadStep.SKIP, most=3)
    guarded = replace(config, optimizer=replace(OPTIMIZER, guard=guard))

    def noticed(training: Training, context: Any) -> None:
        del context
        assert training.guard == guard
        raise StoppedError("before the first step")

    monkeypatch.setattr(f"models.stages.{module}.train", noticed)
    with pytest.raises(StoppedError, match="before the first step"):
        run(parents(guarded))


def test_losses_are_logged_by_kind_where_images_are_seen(parents: Contexts) -> None:
    text, mixed = parents(trunk(6), runs="again"), parents(BRANCH)
    run(text)
    run(mixed)
    assert "text_loss" not in text.reports[-1].values
    for report in mixed.reports:
        low, high = sorted(report.values[name] for name in ("text_loss", "image_text_loss"))
        assert low < report.loss < high


def test_the_optimizer_s_state_is_kept_or_dropped_as_declared(parents: Contexts) -> None:
    dropped = replace(BRANCH, optimizer_state=OptimizerState.DROP)
    run(parents(dropped))
    kept, fresh = weights(parents(BRANCH)), weights(parents(dropped))
    assert not torch.equal(kept["decoder.norm.weight"], fresh["decoder.norm.weight"])


def test_a_branch_from_scratch_needs_no_trunk(parents: Contexts) -> None:
    scratch = replace(BRANCH, trunk=None, text_start=0)
    assert run(parents(scratch)).counts["steps"] == 4


def test_a_second_stage_without_images_still_gives_a_model_that_can_be_shown_some(
    parents: Contexts,
) -> None:
    blind = replace(BRANCH, image_ratio=0.0, val_captions=None)
    tuned = replace(FINETUNE, parent=run_id(blind))
    assert run(parents(blind)).counts["image_tokens"] == 0
    fresh = build_model(MODEL, CNN, seed=0).state_dict()
    blind_weights = weights(parents(blind))
    for name in (name for name in fresh if name.startswith("projector.")):
        assert torch.equal(blind_weights[name], fresh[name])
    run(parents(tuned))
    tuned_weights = weights(parents(tuned))
    assert not torch.equal(tuned_weights["projector.0.weight"], fresh["projector.0.weight"])


def test_captions_alone_read_no_text(parents: Contexts) -> None:
    seeing = replace(BRANCH, image_ratio=1.0, text=source("absent"))
    assert run(parents(seeing)).counts["text_tokens"] == 0


def test_fine_tuning_from_a_trunk_starts_with_the_seeded_projector(parents: Contexts) -> None:
    still = warmup_cosine(peak=0.0, final=0.0, warmup=4, length=24)
    tuned = replace(FINETUNE, parent=run_id(trunk(6)), schedule=still)
    run(parents(tuned))
    found, fresh = weights(parents(tuned)), build_model(MODEL, CNN, seed=0).state_dict()
    trained = weights(parents(trunk(6)))
    assert torch.equal(found["projector.0.weight"], fresh["projector.0.weight"])
    assert torch.equal(found["decoder.norm.weight"], trained["decoder.norm.weight"])


def test_a_tower_that_is_not_frozen_starts_as_pretrained_and_is_trained_on(
    parents: Contexts,
) -> None:
    vision = replace(CNN, frozen=False)
    still = warmup_cosine(peak=0.0, final=0.0, warmup=BATCH, length=4 * BATCH)
    branch = replace(BRANCH, vision=vision, schedule=still)
    tuned = replace(FINETUNE, vision=vision, parent=run_id(branch))
    run_all(parents, branch, tuned)
    name = "tower.layers.0.weight"
    pretrained = weights(parents(TOWER))[name]
    assert torch.equal(weights(parents(branch))[name], pretrained)
    assert not torch.equal(weights(parents(tuned))[name], pretrained)


@pytest.mark.parametrize("run_of", [BRANCH, FINETUNE], ids=["branch", "finetune"])
def test_a_trained_tower_learns_at_its_own_rate(parents: Contexts, run_of: RunConfig) -> None:
    assert isinstance(run_of, ImageTextPretrain | Finetune)
    vision = replace(CNN, frozen=False)
    trained = replace(BRANCH, vision=vision)
    run(parents(trained))
    parent = {"parent": run_id(trained)} if isinstance(run_of, Finetune) else {}
    context = parents(replace(run_of, vision=vision, tower_lr_scale=0.1, **parent))
    run(context)
    for report in context.reports:
        rate = report.values["learning_rate"]
        assert report.values["tower_learning_rate"] == pytest.approx(0.1 * rate)


def test_a_learning_rate_for_a_frozen_tower_is_refused() -> None:
    with pytest.raises(ConfigError, match="no tower is trained"):
        replace(BRANCH, tower_lr_scale=0.1)
    with pytest.raises(ConfigError, match="no tower is trained"):
        replace(FINETUNE, vision=replace(PATCH, frozen=False), tower_lr_scale=0.1)


def test_a_frozen_tower_is_not_part_of_the_model(parents: Contexts) -> None:
    assert not any(name.startswith("tower.") for name in weights(parents(BRANCH)))


def test_pixels_need_no_tower(parents: Contexts) -> None:
    branch = replace(BRANCH, vision=PATCH, tower=None)
    run_all(parents, branch, replace(FINETUNE, vision=PATCH, tower=None, parent=run_id(branch)))


def test_micro_batches_and_bf16_do_not_change_what_is_learned(parents: Contexts) -> None:
    exact = run(parents(BRANCH))
    for execution, error in (
        (Execution(accumulation=2), 1e-4),  # sums in another order
        (Execution(precision=Precision.BF16), 0.05),  # 8 bits of mantissa
    ):
        found = run(parents(BRANCH, execution=execution, name=f"{execution.precision}"))
        assert found.counts == exact.counts
        for name, value in values(exact).items():
            assert values(found)[name] == pytest.approx(value, abs=error)


def test_a_wrong_number_of_examples_is_refused(parents: Contexts) -> None:
    with pytest.raises(DataError) as caught:
        run(parents(replace(FINETUNE, examples=13)))
    assert "12 rows" in caught.value.what


def test_a_function_refuses_another_stage_s_run(stage_context: Contexts) -> None:
    context = stage_context(trunk(6))
    for function in (stages.tower_pretrain, stages.image_text_pretrain, stages.finetune):
        with pytest.raises(ConfigError) as caught:
            function(context)
        assert caught.value.where == str(context.folder.run_json)


def test_a_parent_of_another_shape_is_refused(parents: Contexts) -> None:
    wider = replace(BRANCH, model=replace(MODEL, ffn_multiple=64))
    with pytest.raises(RecordError) as caught:
        run(parents(wider))
    assert "w12.weight has shape" in caught.value.what


def test_an_encoder_without_tower_has_nothing_to_pretrain(stage_context: Contexts) -> None:
    with pytest.raises(ConfigError) as caught:
        run(stage_context(replace(TOWER, vision=PATCH)))
    assert caught.value.where == "encoder"


def test_a_frozen_tower_without_its_training_is_refused(parents: Contexts) -> None:
    with pytest.raises(ConfigError) as caught:
        run(parents(replace(BRANCH, tower=None)))
    assert caught.value.where == "tower"


def test_a_run_writes_only_below_its_folder(stage_context: Contexts, tmp_path: Path) -> None:
    run_all(stage_context, TOWER, trunk(6))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    context = stage_context(BRANCH)
    run(context)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    own = {path for path in after if path.is_relative_to(context.folder.path)}
    assert {path: after[path] for path in after.keys() - own} == before
