"""Counts and costs by arithmetic, against built models and hand-computed cases."""

import itertools

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from models.architecture.build import build_model
from orchestrator.plan.cost import Throughput, cost
from orchestrator.plan.count import body_params, projector_params, token_flops, total_params
from orchestrator.spec.model import (
    Encoder,
    FeedForward,
    ModelConfig,
    Norm,
    Projector,
    VisionConfig,
)
from orchestrator.spec.run import DataSource, OptimizerConfig, TextPretrain
from orchestrator.spec.schedule import warmup_cosine

SHAPES = list(itertools.product((32, 96), (1, 3), Norm, (False, True), FeedForward, (False, True)))


def shape(
    width: int, depth: int, norm: Norm, qk_norm: bool, ffn: FeedForward, tied: bool
) -> ModelConfig:
    return ModelConfig(
        width=width,
        depth=depth,
        heads=4,
        vocab_size=64,
        seq_len=16,
        norm=norm,
        qk_norm=qk_norm,
        ffn=ffn,
        ffn_multiple=32,
        weight_tying=tied,
    )


@pytest.mark.parametrize("values", SHAPES)
def test_counted_parameters_equal_a_built_models(
    values: tuple[int, int, Norm, bool, FeedForward, bool],
) -> None:
    model = shape(*values)
    with torch.device("meta"):
        built = build_model(model, None, seed=0)
    assert sum(p.numel() for p in built.parameters()) == total_params(model)
    body = {
        name: p.numel()
        for name, p in built.named_parameters()
        if "tok_embeddings" not in name and "output" not in name
    }
    assert sum(body.values()) == body_params(model)


@pytest.mark.parametrize("projector", list(Projector))
def test_counted_projectors_equal_built_ones(projector: Projector) -> None:
    model = shape(32, 1, Norm.RMS, True, FeedForward.SWIGLU, False)
    vision = VisionConfig(
        encoder=Encoder.PATCH,
        image_size=48,
        patch_size=16,
        feature_width=768,
        projector=projector,
    )
    built = build_model(model, vision, seed=0)
    assert built.projector is not None
    counted = sum(p.numel() for p in built.projector.parameters())
    assert counted == projector_params(model, vision)


def test_forward_flops_equal_torchs_own_count() -> None:
    model = shape(96, 3, Norm.RMS, True, FeedForward.SWIGLU, False)
    built = build_model(model, None, seed=0)
    ids = torch.zeros(2, model.seq_len, dtype=torch.int64)
    with (
        sdpa_kernel(SDPBackend.MATH),  # the only kernel whose products torch counts on a CPU
        FlopCounterMode(display=False) as counter,
        torch.no_grad(),
    ):
        built(ids)
    # Torch counts attention over the whole square; causal attention needs half of it.
    square = 2 * 2 * model.depth * model.width * model.seq_len
    assert counter.get_total_flops() / ids.numel() == pytest.approx(
        token_flops(model) + square / 2, rel=0.01
    )


def test_a_segment_costs_what_lies_between_its_ends() -> None:
    model = shape(32, 2, Norm.RMS, True, FeedForward.SWIGLU, False)
    segment = TextPretrain(
        model=model,
        text=DataSource(name="world/text", version="1"),
        val_text=None,
        end_tokens=640,
        batch_tokens=64,
        schedule=warmup_cosine(peak=1e-3, final=0.0, warmup=64, length=640),
        optimizer=OptimizerConfig(),
        seed=0,
    )
    speed = Throughput(flops_per_second=1e9, source="test")
    whole = cost(segment, speed, begin_tokens=0, tokens_per_example=1)
    rest = cost(segment, speed, begin_tokens=512, tokens_per_example=1)
    assert (whole.tokens, whole.steps) == (640, 10)
    assert (rest.tokens, rest.steps) == (128, 2)
    assert rest.flops == pytest.approx(whole.flops / 5)
    assert whole.device_hours == pytest.approx(whole.flops / 1e9 / 3600)
    assert whole.params_total * 12 == whole.checkpoint_bytes
