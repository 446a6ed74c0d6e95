"""Towers by arithmetic, against the project's own and against small and full transformers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from models.architecture.tower import ConvTower
from orchestrator.errors import PlanError
from orchestrator.plan.cost.tower_count import (
    VitShape,
    map_elements,
    tower_flops,
    tower_params,
    vit_flops,
    vit_params,
    vit_shapes,
)
from orchestrator.spec.model import Encoder, VisionConfig

SIGLIP = "google/siglip-so400m-patch14-384"
DINOV2 = "facebook/dinov2-with-registers-large"


def published(*weights: str, feature_width: int = 1152) -> VisionConfig:
    encoder = Encoder.SIGLIP if len(weights) == 1 else Encoder.SIGLIP_DINOV2
    return VisionConfig(
        encoder=encoder,
        image_size=384,
        patch_size=14,
        feature_width=feature_width,
        weights=weights,
    )


def cnn(patch_size: int, feature_width: int) -> VisionConfig:
    return VisionConfig(
        encoder=Encoder.CNN,
        image_size=2 * patch_size,
        patch_size=patch_size,
        feature_width=feature_width,
    )


@pytest.mark.parametrize(
    "vision", [cnn(16, 64), cnn(14, 32), cnn(8, 256), cnn(1, 8), cnn(15, 200)], ids=str
)
def test_the_projects_own_tower_counts_as_it_is_built(vision: VisionConfig) -> None:
    tower = ConvTower(patch_size=vision.patch_size, feature_width=vision.feature_width)
    assert sum(p.numel() for p in tower.parameters()) == tower_params(vision)
    maps: list[int] = []

    def note(_layer: torch.nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        maps.append(output.numel())

    for layer in tower.layers:
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(note)
    flat = torch.zeros(1, vision.image_tokens, 3 * vision.patch_size**2)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        tower(flat)
    assert counter.get_total_flops() == tower_flops(vision)
    assert sum(maps) == map_elements(vision)


@dataclass(frozen=True)
class Small:
    """A small transformer of a published family, and its shape in our words."""

    embeddings: torch.nn.Module
    blocks: list[torch.nn.Module]
    vit: VitShape


def siglip(shape: VitShape, *, image_size: int) -> Small:
    from transformers import SiglipVisionConfig, SiglipVisionModel

    config = SiglipVisionConfig(
        hidden_size=shape.width,
        num_hidden_layers=shape.depth,
        num_attention_heads=2,
        intermediate_size=shape.ffn_width,
        image_size=image_size,
        patch_size=shape.patch_size,
    )
    model = SiglipVisionModel(config)
    body: Any = getattr(model, "vision_model", model)  # before transformers 5.17
    return Small(body.embeddings, list(body.encoder.layers), shape)


def dinov2(shape: VitShape, *, image_size: int) -> Small:
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    config = Dinov2WithRegistersConfig(
        hidden_size=shape.width,
        num_hidden_layers=shape.depth,
        num_attention_heads=2,
        mlp_ratio=4,
        image_size=image_size,
        patch_size=shape.patch_size,
    )
    body: Any = Dinov2WithRegistersModel(config)
    del body.embeddings.mask_token  # no patch is ever masked
    return Small(body.embeddings, list(body.encoder.layer), shape)


def parameters(small: Small) -> int:
    """Count what the feature depends on: it is the output of the second-to-last block."""
    used = [small.embeddings, *small.blocks[:-1]]
    return sum(p.numel() for module in used for p in module.parameters())


def tiny(family: Callable[..., Small]) -> Small:
    patches = 9
    vit = VitShape(width=64, depth=3, ffn_width=256, patch_size=14, positions=patches)
    if family is dinov2:
        vit = replace(vit, positions=patches + 1, prefix=5, scales=2)
    return family(vit, image_size=3 * 14)


@pytest.mark.parametrize("family", [siglip, dinov2])
def test_a_transformers_parameters_are_those_its_feature_depends_on(
    family: Callable[..., Small],
) -> None:
    small = tiny(family)
    assert parameters(small) == vit_params(small.vit)


@pytest.mark.parametrize("family", [siglip, dinov2])
def test_a_transformers_flops_equal_torchs_own_count(family: Callable[..., Small]) -> None:
    small = tiny(family)
    with (
        sdpa_kernel(SDPBackend.MATH),  # the only kernel whose products torch counts on a CPU
        FlopCounterMode(display=False) as counter,
        torch.no_grad(),
    ):
        x = small.embeddings(torch.zeros(1, 3, 42, 42))
        for block in small.blocks[:-1]:
            x = block(x, None)
    assert x.shape[1] == 9 + small.vit.prefix
    assert counter.get_total_flops() == vit_flops(small.vit, 9)


@pytest.mark.parametrize(
    ("weights", "build", "own_size"), [(SIGLIP, siglip, 384), (DINOV2, dinov2, 518)]
)
def test_published_towers_have_the_shape_their_name_says(
    weights: str, build: Callable[..., Small], own_size: int
) -> None:
    (shape,) = vit_shapes(published(weights))
    with torch.device("meta"):
        full = build(shape, image_size=own_size)
    assert len(full.blocks) == {SIGLIP: 27, DINOV2: 24}[weights]
    assert parameters(full) == tower_params(published(weights))


def test_fused_towers_count_both() -> None:
    fused = published(DINOV2, SIGLIP, feature_width=2176)
    alone = [published(DINOV2), published(SIGLIP)]
    assert tower_params(fused) == sum(tower_params(vision) for vision in alone)
    assert tower_flops(fused) == sum(tower_flops(vision) for vision in alone)
    assert sum(vit.width for vit in vit_shapes(fused)) == fused.feature_width


def test_a_bare_patch_projection_has_no_tower() -> None:
    vision = VisionConfig(
        encoder=Encoder.PATCH, image_size=48, patch_size=16, feature_width=3 * 16**2
    )
    assert (tower_params(vision), tower_flops(vision)) == (0, 0.0)


@pytest.mark.parametrize("weights", ["someone/other-vit-large", "google/siglip-patch14"])
def test_weights_of_unknown_shape_are_refused_and_named(weights: str) -> None:
    with pytest.raises(PlanError) as caught:
        tower_flops(published(weights))
    assert weights in caught.value.what
    assert caught.value.where == "weights"
