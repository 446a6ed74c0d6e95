"""A run's config in OpenLM's flags, and what has none."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.open_lm.command import Place, Rates, arguments, model_json, rates
from models.open_lm.process import environment
from models.open_lm.spacing import Shards, checkpoint_tokens
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.execution import Device, Execution, Precision
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.parallel import Recompute, Sharding
from orchestrator.spec.presets import PRESETS
from orchestrator.spec.run import TextPretrain
from orchestrator.spec.schedule import Phase, Schedule, Shape, warmup_cosine
from orchestrator.spec.source import DataSource
from orchestrator.store.world import World

T = 2048
BATCH = 512 * T
STEPS = 1_000
RUN = TextPretrain(
    model=PRESETS["open_lm_79m"],
    text=DataSource(name="dclm/text", version="1"),
    val_text=None,
    end_tokens=STEPS * BATCH,
    batch_tokens=BATCH,
    schedule=warmup_cosine(peak=3e-3, final=3e-5, warmup=400 * BATCH, length=STEPS * BATCH),
    optimizer=OptimizerConfig(z_loss=1e-4),
    seed=124,
)
PLACE = Place(
    model=Path("/a/model.json"),
    manifest=Path("/data of mine/manifest.jsonl"),
    data_key="json.gz",
    logs=Path("/logs"),
    name="trunk",
    checkpoint_tokens=200 * BATCH,
)
GPUS = Execution(device=Device.CUDA, precision=Precision.BF16, sharding=Sharding.SHARDED)


def given(run: TextPretrain = RUN, execution: Execution = GPUS, processes: int = 8) -> str:
    return " ".join(arguments(run, execution, processes, PLACE))


@pytest.mark.parametrize(
    "words",
    [
        "--model /a/model.json --dataset-manifest /data of mine/manifest.jsonl",
        "--data-key json.gz",
        f"--train-num-samples {200 * BATCH} --epochs 5",
        "--global-batch-size 512 --accum-freq 1 --workers 1",
        "--precision amp_bfloat16",
        "--lr 0.003 --warmup 400 --lr-scheduler cosine --lr-cooldown-end 3e-05 --force-min-lr 0.0",
        "--beta1 0.9 --beta2 0.95 --eps 1e-08 --wd 0.033 --grad-clip-norm 1.0",
        "--z-loss-coefficient 0.0001 --seed 124",
        "--name trunk --logs /logs --resume latest",
        "--save-frequency 1 --log-every-n-steps 20 --report-to none --attn-name auto",
        "--fsdp --fsdp-amp",
    ],
)
def test_the_testbeds_recipe_in_its_flags(words: str) -> None:
    """facts of the released scaling runs of 79 M: warm-up 400, batch 512, beta2 0.95, z 1e-4."""
    assert words in given()


def test_what_saves_memory_is_said_where_it_is_asked_for() -> None:
    assert "--grad-checkpointing" in given(execution=replace(GPUS, recompute=Recompute.BLOCKS))
    assert "--torchcompile" in given(execution=replace(GPUS, compile=True), processes=1)
    alone = given(execution=GPUS, processes=1)
    assert "--fsdp" not in alone
    assert "--fsdp" not in given(execution=replace(GPUS, sharding=Sharding.REPLICATED))
    plain = given(execution=replace(GPUS, precision=Precision.FP32))
    assert "--precision fp32" in plain
    assert "--fsdp-amp" not in plain
    cpus = given(execution=Execution(accumulation=4), processes=2)
    assert "--accum-freq 4" in cpus
    assert "--attn-name torch_attn --dist-backend gloo" in cpus


def test_the_79m_preset_in_its_json() -> None:
    written = model_json(RUN.model, Device.CUDA)
    assert written == {
        "hidden_dim": 512,
        "n_layers": 8,
        "n_heads": 4,
        "seq_len": 2048,
        "vocab_size": 50432,
        "post_embed_norm": False,
        "weight_tying": False,
        "model_norm": RUN.model.norm.value,
        "qk_norm": RUN.model.qk_norm,
        "ffn_type": "swiglu",
        "positional_embedding_type": "rotary",
    }
    assert model_json(RUN.model, Device.CPU)["ffn_type"] == "swiglu_torch"


def test_a_cosine_keeps_its_whole_length_in_a_segment_and_a_constant_ends_with_it() -> None:
    half = replace(RUN, end_tokens=500 * BATCH, schedule=RUN.schedule.until(500 * BATCH))
    assert rates(half) == rates(RUN)
    assert rates(RUN).tokens == STEPS * BATCH
    warmup = RUN.schedule.phases[0]
    held = Phase(shape=Shape.CONSTANT, length=600 * BATCH, start=3e-3, end=3e-3)
    constant = replace(RUN, schedule=Schedule(phases=(warmup, held)), end_tokens=700 * BATCH)
    assert rates(constant) == Rates(
        scheduler="const", peak=3e-3, final=3e-3, warmup=400, tokens=700 * BATCH
    )
    within = replace(RUN, end_tokens=100 * BATCH, schedule=RUN.schedule.until(100 * BATCH))
    assert rates(within) == Rates(
        scheduler="const", peak=3e-3, final=3e-3, warmup=400, tokens=100 * BATCH
    )


@pytest.mark.parametrize("shape", [Shape.LINEAR, Shape.EXPONENTIAL])
def test_another_curve_is_refused(shape: Shape) -> None:
    fall = Phase(shape=shape, length=STEPS * BATCH, start=3e-3, end=3e-5)
    with pytest.raises(ConfigError) as caught:
        rates(replace(RUN, schedule=Schedule(phases=(fall,))))
    assert caught.value.where == "learning_rate"


@pytest.mark.parametrize(
    ("execution", "processes", "where"),
    [
        (GPUS, 3, "batch_tokens"),
        (replace(GPUS, accumulation=3), 8, "batch_tokens"),
        (replace(GPUS, compile=True), 8, "--compile"),
    ],
)
def test_a_layout_that_openlm_cannot_take_is_refused(
    execution: Execution, processes: int, where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        arguments(RUN, execution, processes, PLACE)
    assert caught.value.where == where


def shards(*sequences: int) -> Shards:
    return Shards(Path("manifest.jsonl"), sequences, "json")


def spacing(end: int, begin: int, source: Shards, processes: int = 1) -> int:
    run = replace(RUN, end_tokens=end * BATCH)
    return checkpoint_tokens(run, rates(run), begin * BATCH, source, processes) // BATCH


def test_checkpoints_are_as_many_as_whole_shards_allow() -> None:
    small = shards(*[512] * 2_000)  # a batch each
    assert spacing(200, 0, small) == 25
    assert spacing(600, 200, small) == 25  # what divides 400 and 1,000 steps, by eight
    assert spacing(200, 0, small, processes=8) == 200  # 8 shards at a time, 25 batches are not
    assert spacing(STEPS, 0, shards(*[8192] * 63)) == STEPS  # its own end stops it


def test_a_segment_within_shards_is_refused_with_what_fits() -> None:
    with pytest.raises(ConfigError) as caught:
        spacing(200, 0, shards(*[8192] * 63))
    assert f"multiples of {8192 * T} tokens" in caught.value.mend
    with pytest.raises(ConfigError) as caught:
        spacing(200, 0, shards(*[512] * 1_999, 500))
    assert "different sizes" in caught.value.what
    with pytest.raises(DataError):
        spacing(200, 0, shards(512, 512), processes=4)


def test_shards_that_make_too_few_rounds_are_refused() -> None:
    assert spacing(STEPS, 0, shards(*[512] * (STEPS + 7)), processes=8) > 0
    with pytest.raises(DataError) as caught:
        spacing(STEPS, 0, shards(*[512] * (STEPS + 7)), processes=16)
    assert f"{STEPS // 16 * 16} of {STEPS + 7} shards," in caught.value.what
    with pytest.raises(DataError):
        spacing(STEPS, 0, shards(*[512] * (STEPS - 1)))


@pytest.mark.parametrize(("device", "seen"), [(Device.CPU, ""), (Device.CUDA, "0,1")])
def test_a_run_on_a_cpu_shows_openlm_no_gpu(
    monkeypatch: pytest.MonkeyPatch, device: Device, seen: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    made = environment(World(), Execution(device=device), 1)
    assert made["CUDA_VISIBLE_DEVICES"] == seen
