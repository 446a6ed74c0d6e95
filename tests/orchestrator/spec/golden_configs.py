"""A fixed grid of runs whose names are pinned. Imports nothing but `orchestrator.spec`, so that any
Python on the machine can name them.
"""

import json
import sys
from dataclasses import replace

from orchestrator.spec.guard import BadStep, Guard
from orchestrator.spec.identity import run_id
from orchestrator.spec.model import (
    PUBLISHED_WEIGHTS,
    Encoder,
    FeedForward,
    ModelConfig,
    Norm,
    Projector,
    VisionConfig,
)
from orchestrator.spec.optimizer import Decay, OptimizerConfig, OptimizerState
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
from orchestrator.spec.schedule import Phase, Schedule, Shape, warmup_cosine
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import Images, SuiteConfig, SuiteKind

MODEL = ModelConfig(
    width=64, depth=2, heads=2, vocab_size=64, seq_len=16, norm=Norm.GAIN_ONLY_LP, qk_norm=True
)
CNN = VisionConfig(encoder=Encoder.CNN, image_size=48, patch_size=16, feature_width=768)
SIGLIP = VisionConfig(
    encoder=Encoder.SIGLIP,
    image_size=384,
    patch_size=14,
    feature_width=1_152,
    weights=PUBLISHED_WEIGHTS[Encoder.SIGLIP],
)
TEXT = DataSource(name="world/text", version="1")
CAPTIONS = DataSource(name="world/captions", version="3f2a90c1")
ROWS = DataSource(name="world/instructions", version="1")
SCHEDULE = warmup_cosine(peak=1e-3, final=1e-5, warmup=64, length=640)
SUITE = SuiteConfig(name="vision", kind=SuiteKind.VISION, data=TEXT, benchmarks=("vqa",), limit=40)

TOWER = TowerPretrain(
    vision=CNN,
    scenes=DataSource(name="world/scenes", version="1"),
    steps=10,
    batch_images=4,
    schedule=warmup_cosine(peak=3e-3, final=0.0, warmup=4, length=40),
    optimizer=OptimizerConfig(),
    features_of=(CAPTIONS, ROWS),
    seed=0,
)
SEGMENT = TextPretrain(
    model=MODEL,
    text=TEXT,
    val_text=DataSource(name="world/text_val", version="1"),
    end_tokens=640,
    batch_tokens=64,
    schedule=SCHEDULE,
    optimizer=OptimizerConfig(),
    seed=0,
)
BRANCH = ImageTextPretrain(
    model=MODEL,
    vision=CNN,
    text=TEXT,
    captions=CAPTIONS,
    val_text=DataSource(name="world/text_val", version="1"),
    val_captions=DataSource(name="world/captions_val", version="1"),
    image_ratio=0.1,
    tokens=640,
    text_start=0,
    batch_tokens=64,
    schedule=SCHEDULE,
    optimizer=OptimizerConfig(),
    optimizer_state=OptimizerState.KEEP,
    seed=0,
    trunk="0123456789ab",
    tower="ba9876543210",
    captions_from="00112233aabb",
    instruction_ratio=0.25,
    text_seed=7,
    instructions=ROWS,
)
FILTER = Filter(
    model=MODEL,
    vision=CNN,
    captions=CAPTIONS,
    keep=0.2,
    parent="0123456789ab",
    tower="ba9876543210",
)
FINETUNE = Finetune(
    model=MODEL,
    vision=SIGLIP,
    instructions=ROWS,
    examples=10,
    epochs=1,
    batch_examples=2,
    val_text=DataSource(name="world/text_val", version="1"),
    val_captions=DataSource(name="world/captions_val", version="1"),
    schedule=SCHEDULE,
    optimizer=OptimizerConfig(),
    seed=0,
    parent="0123456789ab",
    tower="ba9876543210",
)
AVERAGE = Average(
    model=MODEL,
    vision=CNN,
    members=("0123456789ab", "ba9876543210"),
    soup=Soup.GREEDY,
    selection=SUITE,
    tower="00112233aabb",
)
EVALUATE = Evaluate(
    model=MODEL, vision=CNN, suite=SUITE, parent="0123456789ab", tower="ba9876543210", seed=0
)
KINDS: tuple[RunConfig, ...] = (TOWER, SEGMENT, BRANCH, FILTER, FINETUNE, AVERAGE, EVALUATE)
"""One run of each kind, with every value that may be left out given."""

AWKWARD = (0.1, 1 / 3, 0.1 + 0.2, 1e-5, 3e-4, 1e-16, 5e-324, 1.7976931348623157e308, 123456789.0)
"""Learning rates whose shortest spelling is easy to get wrong."""

HOLD = Phase(shape=Shape.CONSTANT, length=3, start=1e-3, end=1e-3)
SCHEDULES = {
    "warmup": Schedule(phases=(Phase(shape=Shape.WARMUP, length=7, start=0.0, end=0.1),)),
    "flat": Schedule.flat(0.0),
    "linear": Schedule(phases=(HOLD, Phase(shape=Shape.LINEAR, length=9, start=1e-3, end=0.0))),
    "exponential": Schedule(
        phases=(SCHEDULE.phases[0], Phase(shape=Shape.EXPONENTIAL, length=9, start=0.1, end=3e-4))
    ),
    "whole-number": Schedule(phases=(Phase(shape=Shape.COSINE, length=1, start=1, end=0),)),
}
VISIONS = {
    "patch": replace(CNN, encoder=Encoder.PATCH, projector=Projector.LINEAR),
    "siglip-trained": replace(SIGLIP, frozen=False),
    "fused": replace(
        SIGLIP,
        encoder=Encoder.SIGLIP_DINOV2,
        feature_width=2_176,
        projector=Projector.FUSED_MLP,
        weights=PUBLISHED_WEIGHTS[Encoder.SIGLIP_DINOV2],
    ),
}
OPTIMIZERS = {
    "matrices": OptimizerConfig(decay=Decay.MATRICES, weight_decay=0.1),
    "z-loss": OptimizerConfig(z_loss=1e-4, beta2=0.99, eps=1e-10, grad_clip=0.5),
    "no-decay": OptimizerConfig(weight_decay=0, beta1=1),
    "skipping": OptimizerConfig(guard=Guard(bad_step=BadStep.SKIP, spike_sigmas=6)),
    "rewinding": OptimizerConfig(guard=Guard(bad_step=BadStep.REWIND, window=64, most=3)),
}
SUITES = {
    "blind": replace(SUITE, images=Images.BLIND),
    "permuted": replace(SUITE, images=Images.PERMUTED, limit=None),
    "text": replace(SUITE, kind=SuiteKind.TEXT, benchmarks=("arc", "piqa", "boolq")),
    "held out": replace(
        SUITE,
        kind=SuiteKind.HELD_OUT,
        data=CAPTIONS,
        text=TEXT,
        benchmarks=("caption_loss", "text_loss", "modality_integration_rate"),
    ),
    "umlaut": replace(SUITE, name="für Bilder", benchmarks=("größe", "日本語", "😀")),
}
MODELS = {
    "gelu": replace(MODEL, ffn=FeedForward.GELU, weight_tying=True, qk_norm=False),
    "multiple": replace(MODEL, ffn_multiple=32, depth=48, vocab_size=50_432, seq_len=64),
}
BARE_BRANCH = ImageTextPretrain(
    model=MODEL,
    vision=SIGLIP,
    text=TEXT,
    captions=CAPTIONS,
    val_text=None,
    val_captions=None,
    image_ratio=0.0,
    tokens=640,
    text_start=0,
    batch_tokens=64,
    schedule=SCHEDULE,
    optimizer=OptimizerConfig(),
    optimizer_state=OptimizerState.DROP,
    seed=0,
    trunk=None,
    tower=None,
)

CONFIGS: dict[str, RunConfig] = {
    **{type(config).__name__: config for config in KINDS},
    **{
        f"segment {norm}": replace(SEGMENT, model=replace(MODEL, norm=norm))
        for norm in Norm
        if norm is not MODEL.norm
    },
    **{f"segment {name}": replace(SEGMENT, model=model) for name, model in MODELS.items()},
    **{f"segment {name}": replace(SEGMENT, schedule=one) for name, one in SCHEDULES.items()},
    **{f"rate {rate!r}": replace(SEGMENT, schedule=Schedule.flat(rate)) for rate in AWKWARD},
    **{f"tower {name}": replace(TOWER, optimizer=one) for name, one in OPTIMIZERS.items()},
    **{f"branch {name}": replace(BARE_BRANCH, vision=one) for name, one in VISIONS.items()},
    **{f"asked {name}": replace(EVALUATE, suite=one) for name, one in SUITES.items()},
    "branch bare": BARE_BRANCH,
    "branch of images": replace(BARE_BRANCH, image_ratio=1),
    "branch of a third": replace(BARE_BRANCH, image_ratio=1 / 3),
    "branch far on": replace(BARE_BRANCH, tokens=4_300_000_000_000, text_start=2**53 + 64),
    "branch of instructions": replace(BRANCH, instruction_ratio=1.0, text_seed=None),
    "segment at its middle": replace(SEGMENT, end_tokens=320),
    "segment without held-out text": replace(SEGMENT, val_text=None, seed=-1),
    "segment of other text": replace(SEGMENT, text=DataSource(name='wörld/"te\\xt"', version="é")),
    "tower without features": replace(TOWER, features_of=()),
    "filter without tower": replace(FILTER, keep=1 / 3, tower=None),
    "tuned longer": replace(FINETUNE, epochs=4, seed=365),
    "tuned without held-out data": replace(FINETUNE, val_text=None, val_captions=None),
    "soup of three": replace(
        AVERAGE, members=("c", "b", "a"), soup=Soup.UNIFORM, selection=None, vision=None
    ),
    "trunk asked": replace(EVALUATE, vision=None, tower=None, suite=SUITES["text"]),
}
"""Runs by a label that says what is special about them."""

FUNCTIONS = {"function of its own": (FINETUNE, "my_own.stages:finetune")}
"""Runs whose stage is done by another function."""


def names() -> dict[str, str]:
    """Name every run of the grid."""
    return {
        **{label: run_id(config) for label, config in CONFIGS.items()},
        **{label: run_id(config, function) for label, (config, function) in FUNCTIONS.items()},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(names()))
