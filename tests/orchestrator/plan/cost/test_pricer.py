"""Costs of runs, against hand-computed cases and published hours."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import PlanError
from orchestrator.plan.cost.amount import CAPTION_POSITIONS, amount
from orchestrator.plan.cost.count import (
    attention_flops,
    block_flops,
    body_params,
    output_flops,
    projector_flops,
    projector_params,
    total_params,
    training_flops,
)
from orchestrator.plan.cost.device_load import load_of
from orchestrator.plan.cost.pricer import Pricer
from orchestrator.plan.cost.throughput import (
    Machine,
    Speed,
    Throughput,
    WantedLayout,
    flat,
    machine,
)
from orchestrator.plan.cost.tower_count import tower_flops, tower_params
from orchestrator.plan.plan import Cost
from orchestrator.spec.model import Encoder, ModelConfig, Norm, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig, OptimizerState
from orchestrator.spec.parallel import Parallelism, Recompute, Sharding
from orchestrator.spec.presets import PRESETS
from orchestrator.spec.profile import Gpu, Partition, Profile
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
from orchestrator.spec.suite import SuiteConfig, SuiteKind
from orchestrator.store.profile_file import load_profile

ROOT = Path(__file__).parents[4]
DATA = DataSource(name="world/part", version="1")
SCHEDULE = warmup_cosine(peak=1e-3, final=0.0, warmup=0, length=100)
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
CNN = VisionConfig(encoder=Encoder.CNN, image_size=48, patch_size=16, feature_width=8)
SUITE = SuiteConfig(name="s", kind=SuiteKind.VISION, data=DATA, benchmarks=("a", "b"), limit=10)
SLOW = Machine(throughput=flat(1e9, "test"))
CLUSTER = Profile(
    profile="test",
    about="",
    gpu=Gpu(name="A100", memory_gib=80, peak_teraflops=312),
    gpus_per_node=8,
    partitions=(Partition(name="gpu", nodes=8),),
)
GPUS = machine(CLUSTER)


def segment(model: ModelConfig, tokens: int, batch_tokens: int) -> TextPretrain:
    return TextPretrain(
        model=model,
        text=DATA,
        val_text=None,
        end_tokens=tokens,
        batch_tokens=batch_tokens,
        schedule=SCHEDULE,
        optimizer=OptimizerConfig(),
        seed=0,
    )


def branch(vision: VisionConfig, image_ratio: float = 0.5) -> ImageTextPretrain:
    return ImageTextPretrain(
        model=MODEL,
        vision=vision,
        text=DATA,
        captions=DATA,
        val_text=None,
        val_captions=None,
        image_ratio=image_ratio,
        tokens=40 * 2048,
        text_start=0,
        batch_tokens=4 * 2048,
        schedule=SCHEDULE,
        optimizer=OptimizerConfig(),
        optimizer_state=OptimizerState.KEEP,
        seed=0,
        trunk=None,
        tower=None,
    )


SEGMENT = segment(MODEL, 100 * 2048, 2 * 2048)
FINETUNE = Finetune(
    model=MODEL,
    vision=SIGLIP,
    instructions=DATA,
    examples=64,
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
TOWER = TowerPretrain(
    vision=CNN,
    scenes=DATA,
    steps=10,
    batch_images=4,
    schedule=SCHEDULE,
    optimizer=OptimizerConfig(),
    features_of=(),
    seed=0,
)
EVALUATE = Evaluate(model=MODEL, vision=SIGLIP, suite=SUITE, parent="x", tower=None, seed=0)
FILTER = Filter(model=MODEL, vision=SIGLIP, captions=DATA, keep=0.5, parent="x", tower=None)
AVERAGE = Average(
    model=MODEL,
    vision=SIGLIP,
    members=("x", "y"),
    soup=Soup.UNIFORM,
    selection=None,
    tower=None,
)
KINDS: tuple[RunConfig, ...] = (
    TOWER,
    SEGMENT,
    branch(SIGLIP),
    FILTER,
    FINETUNE,
    AVERAGE,
    EVALUATE,
)


def priced(config: RunConfig, on: Machine = SLOW, **given: Any) -> Cost:
    return Pricer(on).cost(config, **given)


def test_a_segment_costs_what_lies_between_its_ends() -> None:
    whole, rest = priced(SEGMENT), priced(SEGMENT, begin_tokens=80 * 2048)
    assert (whole.tokens, whole.steps) == (100 * 2048, 50)
    assert (rest.tokens, rest.steps) == (20 * 2048, 10)
    assert rest.flops == pytest.approx(whole.flops / 5)
    assert whole.flops == pytest.approx(training_flops(MODEL, 100 * 2048))
    assert (whole.params, whole.params_total) == (body_params(MODEL), total_params(MODEL))
    assert whole.flops_6nd == 6 * body_params(MODEL) * 100 * 2048
    assert whole.checkpoint_bytes == 12 * total_params(MODEL)
    assert (whole.vision_flops, whole.image_tokens) == (0, 0)


def test_hours_are_flops_at_the_devices_speed() -> None:
    cost = priced(SEGMENT)
    assert cost.device_hours == pytest.approx(cost.flops / 1e9 / 3600)
    assert (cost.devices, cost.wall_hours) == (1, cost.device_hours)


def test_decoder_and_tower_each_work_at_the_speed_of_their_size() -> None:
    sizes = (Speed(total_params(MODEL), 1e9), Speed(tower_params(SIGLIP), 4e9))
    cost = priced(branch(SIGLIP), Machine(throughput=Throughput(speeds=sizes, source="test")))
    seconds = (cost.flops - cost.vision_flops) / 1e9 + cost.vision_flops / 4e9
    assert cost.device_hours == pytest.approx(seconds / 3600)
    tower = replace(TOWER, vision=replace(SIGLIP, frozen=False))
    alone = priced(tower, Machine(throughput=Throughput(speeds=sizes, source="test")))
    assert alone.device_hours == pytest.approx(alone.flops / 4e9 / 3600)


def test_a_branchs_flops_are_of_blocks_supervised_tokens_projector_and_tower() -> None:
    cost = priced(branch(SIGLIP))
    positions, images = 40 * 2048, 20 * 2  # two images in each of 20 sequences
    supervised = 20 * 2048 + images * CAPTION_POSITIONS
    blocks = positions * (block_flops(MODEL) + 2048 * attention_flops(MODEL))
    projected = images * 729 * projector_flops(MODEL, SIGLIP)
    vision = images * tower_flops(SIGLIP)
    decoder = 3 * (blocks + supervised * output_flops(MODEL) + projected)
    assert cost.vision_flops == pytest.approx(vision)
    assert cost.flops == pytest.approx(decoder + vision)
    assert (cost.tokens, cost.image_tokens) == (positions, 20 * 2048)
    extra = projector_params(MODEL, SIGLIP)
    assert cost.params == body_params(MODEL) + extra
    assert cost.checkpoint_bytes == 12 * (total_params(MODEL) + extra)


def test_a_trained_tower_costs_three_passes_and_is_in_the_checkpoint() -> None:
    frozen, trained = priced(branch(SIGLIP)), priced(branch(replace(SIGLIP, frozen=False)))
    assert trained.vision_flops == pytest.approx(3 * frozen.vision_flops)
    assert trained.flops - frozen.flops == pytest.approx(2 * frozen.vision_flops)
    grown = trained.checkpoint_bytes - frozen.checkpoint_bytes
    assert grown == 12 * tower_params(SIGLIP)
    assert trained.params == frozen.params


def test_the_studys_own_frozen_tower_costs_its_training_alone() -> None:
    assert priced(branch(CNN)).vision_flops == 0
    tower = priced(TOWER)
    assert tower.flops == tower.vision_flops == pytest.approx(3 * 40 * tower_flops(CNN))
    assert (tower.params, tower.tokens, tower.steps) == (0, 0, 10)
    assert tower.checkpoint_bytes == 12 * tower_params(CNN)


def test_runs_that_do_not_train_have_compute_but_no_tokens() -> None:
    for config in (EVALUATE, FILTER):
        cost = priced(config)
        assert (cost.steps, cost.tokens, cost.flops_6nd, cost.checkpoint_bytes) == (0, 0, 0, 0)
        assert cost.flops > cost.vision_flops > 0
    assert priced(FILTER, captions=200).flops == pytest.approx(
        2 * priced(FILTER, captions=100).flops
    )


def test_a_uniform_soup_has_weights_and_no_compute() -> None:
    cost = priced(AVERAGE)
    assert (cost.flops, cost.device_hours) == (0, 0)
    assert cost.checkpoint_bytes > 0


def test_shorter_rows_attend_to_less() -> None:
    short = priced(FINETUNE, tokens_per_example=800)
    long = priced(FINETUNE, tokens_per_example=1_600)
    assert short.tokens * 2 == long.tokens == 128 * 1_600
    assert long.flops - long.vision_flops > 2 * (short.flops - short.vision_flops)
    assert long.vision_flops == short.vision_flops


@pytest.mark.parametrize(
    ("model", "batch", "tokens", "hours"),
    [
        ("open_lm_79m", 512, 237 * 10**9, 1_200),
        ("open_lm_1b", 256, 4_300 * 10**9, 106_000),
    ],
)
def test_the_published_trunks_take_the_published_a100_hours(
    model: str, batch: int, tokens: int, hours: float
) -> None:
    # Keh et al. 2025 (arXiv:2503.07603), table 2.
    batch_tokens = batch * 2048
    run = segment(PRESETS[model], tokens // batch_tokens * batch_tokens, batch_tokens)
    profile = load_profile("a100", ROOT)
    cost = priced(run, machine(profile))
    assert cost.device_hours == pytest.approx(hours, rel=0.1)
    price = profile.price(cost.device_hours)
    assert price is not None
    assert price == pytest.approx(2 * hours, rel=0.1)


def test_on_a_cluster_a_run_takes_the_smallest_layout_that_fits() -> None:
    run = segment(PRESETS["open_lm_7b"], 256 * 2048, 256 * 2048)
    cost = priced(run, GPUS)
    assert cost.devices > 1
    assert cost.memory_gib <= 80
    assert cost.wall_hours == pytest.approx(cost.device_hours / cost.devices)


def test_a_wanted_layout_is_taken_for_training_and_refused_where_it_does_not_fit() -> None:
    model = PRESETS["open_lm_1b"]
    run = segment(model, 256 * 2048, 256 * 2048)
    wanted = WantedLayout(
        model=replace(model), parallelism=Parallelism(gpus=16, sharding=Sharding.SHARDED)
    )
    cost = priced(run, machine(CLUSTER, layouts=(wanted,)))
    assert cost.devices == 16
    too_much = replace(wanted, parallelism=Parallelism(micro_batch=256))
    with pytest.raises(PlanError) as caught:
        priced(run, machine(CLUSTER, layouts=(too_much,)))
    assert "GiB" in caught.value.what
    asked = replace(EVALUATE, model=model, vision=None)
    assert priced(asked, machine(CLUSTER, layouts=(wanted,))).devices == 1


def test_recomputing_takes_a_forward_pass_of_time_and_no_flops() -> None:
    model = PRESETS["open_lm_1b"]
    run = segment(model, 256 * 2048, 256 * 2048)
    plain = WantedLayout(model=model, parallelism=Parallelism(gpus=16))
    again = replace(plain, parallelism=Parallelism(gpus=16, recompute=Recompute.BLOCKS))
    stored, recomputed = (
        priced(run, machine(CLUSTER, layouts=(wanted,))) for wanted in (plain, again)
    )
    assert recomputed.flops == stored.flops
    assert recomputed.memory_gib < stored.memory_gib
    # A third more, but for the output layer, which is not computed again.
    assert 1.3 < recomputed.device_hours / stored.device_hours < 1.34


def test_a_run_that_must_end_in_time_takes_more_devices() -> None:
    run = segment(PRESETS["open_lm_1b"], 10_000 * 256 * 2048, 256 * 2048)
    alone = priced(run, GPUS)
    assert alone.devices == 1
    for hours in (40.0, 10.0):  # of the 101 that it takes one device
        cost = priced(run, machine(CLUSTER, longest_hours=hours))
        assert cost.wall_hours <= hours < 2 * cost.wall_hours
    in_vain = priced(run, machine(CLUSTER, longest_hours=1.0))
    assert in_vain.devices == 64


def test_without_a_cluster_a_run_takes_one_slot_in_fp32() -> None:
    cost = priced(SEGMENT)
    weights = 16 * total_params(MODEL) / 2**30
    assert weights < cost.memory_gib < priced(SEGMENT, GPUS).memory_gib


def test_memory_is_that_of_the_longest_row_and_of_all_images_of_a_sequence() -> None:
    short, long = (priced(FINETUNE, tokens_per_example=n) for n in (800, 1_600))
    assert short.memory_gib == long.memory_gib
    loads = [
        load_of(config, amount(config, begin_tokens=0, tokens_per_example=800, captions=1))
        for config in (branch(SIGLIP), branch(SIGLIP, image_ratio=0.0), FINETUNE, TOWER, EVALUATE)
    ]
    assert [load.images_per_sequence for load in loads] == [2, 0, 1, 1, 1]
    assert [load.batch_sequences for load in loads] == [4, 4, 16, 4, 8192 // (729 + 48)]
    assert [load.length for load in loads[:3]] == [2048, 2048, 2048]
    assert [load.trains for load in loads] == [True, True, True, True, False]


def test_too_many_captions_to_compare_are_refused() -> None:
    suite = replace(SUITE, kind=SuiteKind.HELD_OUT, benchmarks=("modality_integration_rate",))
    used = Pricer(GPUS)
    few, more, many = (
        replace(EVALUATE, suite=replace(suite, limit=limit)) for limit in (1_000, 100_000, 200_000)
    )
    assert used.cost(more).memory_gib > used.cost(few).memory_gib
    with pytest.raises(PlanError) as caught:
        used.cost(many)
    assert "fewer captions" in caught.value.mend


def test_a_pricer_that_has_priced_others_gives_the_same_costs() -> None:
    used = Pricer(GPUS)
    changed = [
        *KINDS,
        replace(SEGMENT, model=replace(MODEL, width=64)),
        replace(SEGMENT, batch_tokens=4 * 2048),
        replace(SEGMENT, optimizer=OptimizerConfig(z_loss=1e-4)),
        branch(SIGLIP, image_ratio=0.25),
        branch(replace(SIGLIP, frozen=False)),
        replace(FINETUNE, epochs=3),
        replace(FINETUNE, batch_examples=8),
        replace(EVALUATE, suite=replace(SUITE, limit=20)),
        replace(AVERAGE, soup=Soup.GREEDY, selection=SUITE),
        replace(TOWER, batch_images=8),
    ]
    for config, rows, captions in itertools.product(changed, (800, 900), (100, 200)):
        given = {"tokens_per_example": rows, "captions": captions}
        assert used.cost(config, **given) == priced(config, GPUS, **given)
        assert used.cost(config, **given) is used.cost(config, **given)
    assert used.cost(SEGMENT, begin_tokens=2048 * 50) == priced(
        SEGMENT, GPUS, begin_tokens=2048 * 50
    )


def test_every_value_that_costs_is_part_of_what_is_remembered() -> None:
    used = Pricer(SLOW)
    pairs = [
        (SEGMENT, replace(SEGMENT, end_tokens=SEGMENT.end_tokens // 2)),
        (SEGMENT, replace(SEGMENT, batch_tokens=4 * 2048)),
        (branch(SIGLIP), branch(SIGLIP, image_ratio=0.25)),
        (FINETUNE, replace(FINETUNE, epochs=3)),
        (FINETUNE, replace(FINETUNE, batch_examples=8)),
        (AVERAGE, replace(AVERAGE, soup=Soup.GREEDY, selection=SUITE)),
        (TOWER, replace(TOWER, steps=20)),
    ]
    for config, other in pairs:
        assert used.cost(config) != used.cost(other)


def test_a_config_that_is_gone_lends_its_cost_to_no_other() -> None:
    used = Pricer(SLOW)
    for width in (32, 64, 128, 96, 160) * 4:
        model = replace(MODEL, width=width)
        run = segment(model, 2 * 2048, 2048)
        assert used.cost(run).params_total == total_params(model)
        del model, run  # their places in memory are free for the next
