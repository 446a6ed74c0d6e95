"""What runs process: positions, images and passes, for every kind of run."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import PlanError
from orchestrator.plan.cost.amount import (
    CAPTION_POSITIONS,
    CAPTIONS_WITHOUT_LIMIT,
    POSITIONS_PER_QUESTION,
    QUESTIONS_WITHOUT_LIMIT,
    SEQUENCES_WITHOUT_LIMIT,
    TOKENS_TO_FILTER,
    Amount,
    amount,
    images_per_sequence,
    tower_passes,
)
from orchestrator.spec.model import Encoder, ModelConfig, Norm, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig, OptimizerState
from orchestrator.spec.run import (
    Average,
    Evaluate,
    Filter,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    Soup,
    TextPretrain,
    TowerPretrain,
)
from orchestrator.spec.schedule import warmup_cosine
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import Images, SuiteConfig, SuiteKind

MODEL = ModelConfig(
    width=32, depth=2, heads=2, vocab_size=64, seq_len=2048, norm=Norm.RMS, qk_norm=True
)
SIGLIP = VisionConfig(
    encoder=Encoder.SIGLIP,
    image_size=384,
    patch_size=14,
    feature_width=1152,
    weights=("google/siglip-so400m-patch14-384",),
)
PATCH = VisionConfig(encoder=Encoder.PATCH, image_size=48, patch_size=16, feature_width=768)
CNN = VisionConfig(encoder=Encoder.CNN, image_size=48, patch_size=16, feature_width=8)
DATA = DataSource(name="world/part", version="1")
SCHEDULE = warmup_cosine(peak=1e-3, final=0.0, warmup=0, length=100)
BATCH = 4 * 2048
SUITE = SuiteConfig(
    name="seen", kind=SuiteKind.VISION, data=DATA, benchmarks=("a", "b", "c"), limit=10
)

SEGMENT = TextPretrain(
    model=MODEL,
    text=DATA,
    val_text=None,
    end_tokens=100 * BATCH,
    batch_tokens=BATCH,
    schedule=SCHEDULE,
    optimizer=OptimizerConfig(),
    seed=0,
)
BRANCH = ImageTextPretrain(
    model=MODEL,
    vision=SIGLIP,
    text=DATA,
    captions=DATA,
    val_text=None,
    val_captions=None,
    image_ratio=0.1,
    tokens=100 * BATCH,
    text_start=0,
    batch_tokens=BATCH,
    schedule=SCHEDULE,
    optimizer=OptimizerConfig(),
    optimizer_state=OptimizerState.KEEP,
    seed=0,
    trunk=None,
    tower=None,
)
FINETUNE = Finetune(
    model=MODEL,
    vision=SIGLIP,
    instructions=DATA,
    examples=70,
    epochs=2,
    batch_examples=16,
    val_text=None,
    val_captions=None,
    schedule=SCHEDULE,
    optimizer=OptimizerConfig(),
    seed=0,
    parent="x",
    tower=None,
)
EVALUATE = Evaluate(model=MODEL, vision=SIGLIP, suite=SUITE, parent="x", tower=None, seed=0)
AVERAGE = Average(
    model=MODEL,
    vision=SIGLIP,
    members=("x", "y", "z"),
    soup=Soup.GREEDY,
    selection=SUITE,
    tower=None,
)


def counted(config: RunConfig, **given: Any) -> Amount:
    defaults = {"begin_tokens": 0, "tokens_per_example": 1, "captions": 1}
    return amount(config, **{**defaults, **given})


def test_a_segment_processes_what_lies_between_its_ends_and_no_images() -> None:
    work = counted(SEGMENT, begin_tokens=60 * BATCH)
    assert (work.steps, work.positions, work.scored) == (40, 40 * BATCH, 40 * BATCH)
    assert (work.length, work.passes, work.images, work.in_image_sequences) == (2048, 3, 0, 0)


def test_a_branch_packs_two_images_of_siglip_into_a_sequence() -> None:
    work = counted(BRANCH)
    with_images = 40  # a tenth of 400 sequences
    assert (work.steps, work.positions) == (100, 100 * BATCH)
    assert work.in_image_sequences == with_images * 2048
    assert work.images == 2 * with_images
    assert work.scored == 360 * 2048 + 2 * with_images * CAPTION_POSITIONS
    assert (work.passes, work.tower_passes) == (3, 1)


def test_a_branch_of_text_alone_sees_no_image() -> None:
    work = counted(replace(BRANCH, image_ratio=0.0))
    assert (work.images, work.in_image_sequences) == (0, 0)
    assert work.scored == work.positions


@pytest.mark.parametrize(
    ("benchmarks", "limit", "captions", "scored"),
    [
        (("caption_loss",), 50, 50, 50),
        (("caption_loss",), None, CAPTIONS_WITHOUT_LIMIT, CAPTIONS_WITHOUT_LIMIT),
        (("modality_integration_rate",), None, 100, 0),  # the paper's number
        (("modality_integration_rate", "caption_loss"), 7, 14, 7),
    ],
)
def test_captions_are_measured_behind_their_images(
    benchmarks: tuple[str, ...], limit: int | None, captions: int, scored: int
) -> None:
    suite = replace(SUITE, kind=SuiteKind.HELD_OUT, benchmarks=benchmarks, limit=limit)
    work = counted(replace(EVALUATE, suite=suite))
    assert (work.images, work.length) == (captions, 729 + CAPTION_POSITIONS)
    assert work.positions == captions * work.length
    assert (work.scored, work.passes) == (scored * CAPTION_POSITIONS, 1)
    compared = 0 if benchmarks == ("caption_loss",) else limit or 100
    assert work.compared == compared * work.length
    if "caption_loss" in benchmarks and len(benchmarks) == 1:
        blind = counted(replace(EVALUATE, suite=replace(suite, images=Images.BLIND)))
        assert (blind.images, blind.length, blind.tower_passes) == (0, CAPTION_POSITIONS, 0)


def test_text_is_measured_in_whole_sequences_beside_captions() -> None:
    both = replace(
        SUITE, kind=SuiteKind.HELD_OUT, benchmarks=("text_loss", "caption_loss"), text=DATA
    )
    text = replace(both, benchmarks=("text_loss",))
    work = counted(replace(EVALUATE, suite=text))
    assert (work.positions, work.scored, work.length) == (10 * 2048, 10 * 2048, 2048)
    assert (work.images, work.tower_passes) == (0, 0)
    unlimited = counted(replace(EVALUATE, suite=replace(text, limit=None)))
    assert unlimited.positions == SEQUENCES_WITHOUT_LIMIT * 2048
    captions = counted(
        replace(EVALUATE, suite=replace(both, benchmarks=("caption_loss",), text=None))
    )
    together = counted(replace(EVALUATE, suite=both))
    assert together.positions == work.positions + captions.positions
    assert together.scored == work.scored + captions.scored
    # Attention costs by position and length: the mean length keeps the sum, but for rounding.
    squares = sum(one.positions * one.length for one in (work, captions))
    assert together.positions * together.length == pytest.approx(squares, rel=1e-3)


def test_a_sequence_holds_at_least_one_image_and_has_one_id_more_than_positions() -> None:
    assert images_per_sequence(replace(MODEL, seq_len=730), SIGLIP) == 1
    sample = 9 + CAPTION_POSITIONS
    sizes = [3 * sample - 2, 3 * sample - 1]
    assert [images_per_sequence(replace(MODEL, seq_len=n), PATCH) for n in sizes] == [2, 3]


@pytest.mark.parametrize("config", [BRANCH, FINETUNE])
def test_an_image_that_fills_a_sequence_is_refused(config: Any) -> None:
    model = replace(MODEL, seq_len=512)
    with pytest.raises(PlanError) as caught:
        counted(replace(config, model=model))
    assert "729" in caught.value.what
    assert "512" in caught.value.what
    if config is BRANCH:
        counted(replace(config, model=model, image_ratio=0.0))  # it shows none


def test_fine_tuning_sees_an_image_with_every_row_and_drops_the_last_batch() -> None:
    work = counted(FINETUNE, tokens_per_example=1_000)
    examples = 16 * 8  # of 140
    assert (work.steps, work.images) == (8, examples)
    assert work.positions == work.in_image_sequences == examples * 1_000
    assert work.scored == examples * (1_000 - 729)
    assert work.length == 1_000


def test_a_filter_passes_each_caption_forward_with_its_image() -> None:
    config = Filter(model=MODEL, vision=SIGLIP, captions=DATA, keep=0.2, parent="x", tower=None)
    work = counted(config, captions=500)
    assert work.positions == 500 * (729 + CAPTION_POSITIONS)
    assert (work.scored, work.images) == (500 * CAPTION_POSITIONS, 500)
    assert (work.steps, work.passes, work.tower_passes) == (0, 1, 1)


def test_a_filter_of_text_passes_each_token_forward_without_an_image() -> None:
    config = Filter(
        model=MODEL, vision=None, captions=None, text=DATA, keep=0.2, parent="x", tower=None
    )
    work = counted(config)
    assert work.positions == work.scored == TOKENS_TO_FILTER
    assert (work.length, work.images, work.steps) == (MODEL.seq_len, 0, 0)
    assert (work.passes, work.tower_passes) == (1, 0)


@pytest.mark.parametrize(
    ("change", "image_tokens"),
    [
        ({}, 729),
        ({"images": Images.PERMUTED}, 729),
        ({"images": Images.BLIND}, 0),
        ({"kind": SuiteKind.TEXT}, 0),
    ],
)
def test_an_evaluation_shows_images_where_its_suite_does(
    change: dict[str, Any], image_tokens: int
) -> None:
    work = counted(replace(EVALUATE, suite=replace(SUITE, **change)))
    assert work.positions == 30 * (POSITIONS_PER_QUESTION + image_tokens)
    assert work.images == (30 if image_tokens else 0)
    assert (work.steps, work.passes) == (0, 1)


def test_a_suite_without_limit_has_an_assumed_number_of_questions() -> None:
    work = counted(replace(EVALUATE, suite=replace(SUITE, limit=None)))
    assert work.images == 3 * QUESTIONS_WITHOUT_LIMIT


def test_a_trunk_is_asked_without_images() -> None:
    assert counted(replace(EVALUATE, vision=None)).images == 0


def test_a_uniform_soup_computes_nothing_and_a_greedy_one_asks_of_every_candidate() -> None:
    uniform = replace(AVERAGE, soup=Soup.UNIFORM, selection=None)
    assert counted(uniform) == Amount()
    # Three members, then the soups of the best with each of the other two.
    assert counted(AVERAGE).positions == 5 * counted(EVALUATE).positions


def test_a_towers_training_is_three_passes_for_each_image() -> None:
    config = TowerPretrain(
        vision=CNN,
        scenes=DATA,
        steps=10,
        batch_images=4,
        schedule=SCHEDULE,
        optimizer=OptimizerConfig(),
        features_of=(),
        seed=0,
    )
    work = counted(config)
    assert (work.steps, work.images, work.tower_passes, work.positions) == (10, 40, 3, 0)


@pytest.mark.parametrize(
    ("vision", "training", "asking"),
    [
        (PATCH, 0, 0),
        (CNN, 0, 0),  # its features are stored
        (replace(CNN, frozen=False), 3, 1),
        (SIGLIP, 1, 1),
        (replace(SIGLIP, frozen=False), 3, 1),
    ],
)
def test_a_frozen_tower_goes_forward_once_and_a_trained_one_costs_three(
    vision: VisionConfig, training: int, asking: int
) -> None:
    assert (tower_passes(vision, 3), tower_passes(vision, 1)) == (training, asking)
