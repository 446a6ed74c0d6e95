"""Counts by arithmetic, against built models, torch's own counter and OpenLM's published table."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from models.architecture.lm import build_decoder
from models.architecture.projector import build_projector
from orchestrator.plan.cost.count import (
    attention_flops,
    block_params,
    body_params,
    embedding_params,
    projector_flops,
    projector_hidden,
    projector_params,
    token_flops,
    total_params,
    training_flops,
)
from orchestrator.spec.model import (
    Encoder,
    FeedForward,
    ModelConfig,
    Norm,
    Projector,
    VisionConfig,
)

SMALL = ModelConfig(
    width=96, depth=3, heads=4, vocab_size=64, seq_len=16, norm=Norm.RMS, qk_norm=True
)
SHAPES = [
    replace(
        SMALL,
        width=width,
        depth=depth,
        norm=norm,
        qk_norm=qk_norm,
        ffn=ffn,
        ffn_multiple=32,
        weight_tying=tied,
        post_embed_norm=tied,
    )
    for width, depth, norm, qk_norm, ffn, tied in itertools.product(
        (32, 96), (1, 3), Norm, (False, True), FeedForward, (False, True)
    )
]

# OpenLM's configuration files with its default, biased norm: width, depth, heads, vocabulary, norm,
# total, body. Left out are open_lm_87m, whose 12 heads do not divide its width of 488 (a shape that
# ModelConfig refuses), and Mamba's, which have no attention.
BIASED = Norm.DEFAULT
OPEN_LM = {
    "11m": (96, 12, 12, 50_432, BIASED, 11_014_848, 1_331_904),
    "11m_v2": (96, 8, 4, 50_432, BIASED, 10_570_944, 888_000),
    "25m": (192, 12, 12, 50_432, BIASED, 24_683_904, 5_318_016),
    "41m": (288, 12, 12, 50_432, BIASED, 41_007_168, 11_958_336),
    "79m_v2": (512, 8, 4, 50_432, BIASED, 78_922_752, 27_280_384),
    "154m_v2": (576, 24, 8, 50_432, BIASED, 153_705_600, 95_607_936),
    "160m": (768, 12, 12, 50_432, BIASED, 162_436_608, 84_973_056),
    "410m": (1024, 24, 16, 50_432, BIASED, 411_666_432, 308_381_696),
    "411m_v2": (1024, 24, 8, 50_432, BIASED, 411_666_432, 308_381_696),
    "830m": (1536, 24, 16, 50_432, BIASED, 834_554_880, 679_627_776),
    "1b": (2048, 24, 16, 50_432, BIASED, 1_439_895_552, 1_233_326_080),
    "m1b_tiktoken": (2048, 24, 16, 50_304, BIASED, 1_439_371_264, 1_233_326_080),
    "3b": (2560, 32, 32, 50_432, BIASED, 2_796_098_560, 2_537_886_720),
    "7b": (4096, 32, 32, 50_432, BIASED, 6_889_676_800, 6_476_537_856),
    "llama2_7b": (4096, 32, 32, 32_000, Norm.RMS, 6_738_415_616, 6_476_271_616),
    "test_tiny": (16, 2, 2, 16, BIASED, 27_296, 26_784),
}


def open_lm(name: str) -> ModelConfig:
    width, depth, heads, vocab_size, norm, _, _ = OPEN_LM[name]
    return ModelConfig(
        width=width,
        depth=depth,
        heads=heads,
        vocab_size=vocab_size,
        seq_len=2048,
        norm=norm,
        qk_norm=False,
    )


@pytest.mark.parametrize("model", SHAPES)
def test_counted_parameters_equal_a_built_models(model: ModelConfig) -> None:
    with torch.device("meta"):
        built = build_decoder(model)
    assert sum(p.numel() for p in built.parameters()) == total_params(model)
    body = {
        name: p.numel()
        for name, p in built.named_parameters()
        if "tok_embeddings" not in name and "output" not in name
    }
    assert sum(body.values()) == body_params(model)
    block = [n for name, n in body.items() if name.startswith("layers.0.")]
    assert sum(block) == block_params(model)


@pytest.mark.parametrize("name", OPEN_LM)
def test_counts_equal_open_lms_table(name: str) -> None:
    model = open_lm(name)
    assert (total_params(model), body_params(model)) == OPEN_LM[name][-2:]
    without_input = total_params(model) - model.vocab_size * model.width
    assert without_input == body_params(model) + embedding_params(model) // 2


@pytest.mark.parametrize(
    ("name", "qk_norm", "total"),
    [
        ("79m_v2", True, 78_922_240),
        ("1b", True, 1_439_893_504),
        ("79m_v2", False, 78_914_048),
        ("1b", False, 1_439_795_200),
    ],
)
def test_norms_without_bias_count_as_in_the_released_runs(
    name: str, qk_norm: bool, total: int
) -> None:
    assert total_params(replace(open_lm(name), norm=Norm.GAIN_ONLY_LP, qk_norm=qk_norm)) == total


def patches(projector: Projector) -> VisionConfig:
    return VisionConfig(
        encoder=Encoder.PATCH,
        image_size=48,
        patch_size=16,
        feature_width=768,
        projector=projector,
    )


@pytest.mark.parametrize("projector", list(Projector))
def test_counted_projectors_equal_built_ones(projector: Projector) -> None:
    vision = patches(projector)
    built = build_projector(projector, feature_width=768, width=SMALL.width)
    assert sum(p.numel() for p in built.parameters()) == projector_params(SMALL, vision)
    outputs = [layer.out_features for layer in built if isinstance(layer, torch.nn.Linear)]
    assert (*projector_hidden(SMALL, vision), SMALL.width) == tuple(outputs)


@pytest.mark.parametrize(("width", "params"), [(512, 852_992), (2048, 6_557_696)])
def test_siglips_projectors_count_as_published(width: int, params: int) -> None:
    vision = VisionConfig(
        encoder=Encoder.SIGLIP,
        image_size=384,
        patch_size=14,
        feature_width=1152,
        weights=("google/siglip-so400m-patch14-384",),
    )
    assert projector_params(replace(SMALL, width=width), vision) == params


def forward_flops(module: torch.nn.Module, *inputs: torch.Tensor) -> int:
    with (
        sdpa_kernel(SDPBackend.MATH),  # the only kernel whose products torch counts on a CPU
        FlopCounterMode(display=False) as counter,
        torch.no_grad(),
    ):
        module(*inputs)
    return counter.get_total_flops()


@pytest.mark.parametrize("ffn", list(FeedForward))
def test_forward_flops_equal_torchs_own_count(ffn: FeedForward) -> None:
    model = replace(SMALL, ffn=ffn)
    decoder = build_decoder(model)
    embedded = torch.zeros(2, model.seq_len, model.width)
    counted = forward_flops(decoder, embedded)
    counted += forward_flops(decoder.output or decoder, embedded)
    # torch counts attention over the whole square of positions; causal attention needs half of it.
    half_square = attention_flops(model) * model.seq_len
    assert counted / (2 * model.seq_len) == token_flops(model) + half_square


@pytest.mark.parametrize("projector", list(Projector))
def test_a_projectors_flops_equal_torchs_own_count(projector: Projector) -> None:
    built = build_projector(projector, feature_width=768, width=SMALL.width)
    counted = forward_flops(built, torch.zeros(5, 768))
    assert counted == 5 * projector_flops(SMALL, patches(projector))


def test_training_costs_three_forward_passes() -> None:
    model = replace(SMALL, width=32, depth=1)
    decoder = build_decoder(model)
    embedded = torch.zeros(1, model.seq_len, model.width, requires_grad=True)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        decoder.logits(decoder(embedded)).sum().backward()
    squares = 3 * attention_flops(model) * model.seq_len**2
    assert counter.get_total_flops() == training_flops(model, model.seq_len) + squares
