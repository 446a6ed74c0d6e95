"""Towers with published weights give what transformers gives, and nothing is missing unnoticed."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.architecture import published
from models.architecture.build import build_classifier, build_model, build_tower
from models.architecture.published import load_published
from models.architecture.tower import patches
from models.training.optimizer import build_optimizer
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.model import Encoder, ModelConfig, Norm, Projector, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig

SIDE, PATCH = 20, 6  # a grid of 3 x 3 and two pixels left over, as 384 leaves 6 of 14
SIGLIP_WIDTH, DINOV2_WIDTH, REGISTERS = 16, 24, 2
SIGLIP_NAME, DINOV2_NAME = "lab/siglip-tiny", "lab/dinov2-tiny"
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_STD = np.array([0.229, 0.224, 0.225])

SIGLIP = VisionConfig(
    encoder=Encoder.SIGLIP,
    image_size=SIDE,
    patch_size=PATCH,
    feature_width=SIGLIP_WIDTH,
    weights=(SIGLIP_NAME,),
)
FUSED = VisionConfig(
    encoder=Encoder.SIGLIP_DINOV2,
    image_size=SIDE,
    patch_size=PATCH,
    feature_width=DINOV2_WIDTH + SIGLIP_WIDTH,
    projector=Projector.FUSED_MLP,
    weights=(DINOV2_NAME, SIGLIP_NAME),
)
MODEL = ModelConfig(
    width=32, depth=2, heads=2, vocab_size=50, seq_len=16, norm=Norm.GAIN_ONLY, qk_norm=True
)


def siglip_config() -> Any:
    from transformers import SiglipVisionConfig

    return SiglipVisionConfig(
        hidden_size=SIGLIP_WIDTH,
        intermediate_size=20,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=PATCH,
    )


def dinov2_config(patch_size: int = PATCH) -> Any:
    from transformers import Dinov2WithRegistersConfig

    return Dinov2WithRegistersConfig(
        hidden_size=DINOV2_WIDTH,
        num_hidden_layers=4,
        num_attention_heads=3,
        image_size=30,  # more places than the images here have patches, as on the hub
        patch_size=patch_size,
        num_register_tokens=REGISTERS,
    )


@torch.no_grad()
def save_drawn(model: Any, folder: Path) -> Path:
    """Save a model with weights that are all different from zero and one."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.normal_(0, 0.3, generator=generator)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from transformers import Dinov2WithRegistersModel, SiglipVisionModel

    root = tmp_path_factory.mktemp("weights of the hub")
    return {
        SIGLIP_NAME: save_drawn(SiglipVisionModel(siglip_config()), root / "siglip"),
        DINOV2_NAME: save_drawn(Dinov2WithRegistersModel(dinov2_config()), root / "dinov2"),
    }


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of the hub, with the hub out of reach."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)


def flat(pixels: NDArray[np.uint8]) -> Tensor:
    whole = SIDE - SIDE % PATCH
    return patches(np.ascontiguousarray(pixels[:, :whole, :whole]), PATCH)


@torch.no_grad()
def by_hand(folder: Path, pixels: NDArray[np.uint8], kind: str) -> Tensor:
    """Return what transformers alone gives before the last block, as Prismatic uses it."""
    import transformers

    if kind == "siglip":
        model, mean, std, special = transformers.SiglipVisionModel, 0.5, 0.5, 0
    else:
        model, mean, std = transformers.Dinov2WithRegistersModel, IMAGENET_MEAN, IMAGENET_STD
        special = 1 + REGISTERS
    normalised = (pixels / 255 - mean) / std  # (M, S, S, 3)
    values = torch.from_numpy(normalised).permute(0, 3, 1, 2).float()
    found = model.from_pretrained(folder)(pixel_values=values, output_hidden_states=True)
    return found.hidden_states[-2][:, special:]


@torch.no_grad()
def test_siglip_s_features_are_what_leaves_its_second_to_last_block(
    folders: dict[str, Path], pixels: NDArray[np.uint8]
) -> None:
    found = load_published(SIGLIP, folders)(flat(pixels))
    assert found.shape == (2, 9, SIGLIP_WIDTH)
    torch.testing.assert_close(found, by_hand(folders[SIGLIP_NAME], pixels, "siglip"))


@pytest.mark.parametrize("names", [(DINOV2_NAME, SIGLIP_NAME), (SIGLIP_NAME, DINOV2_NAME)])
@torch.no_grad()
def test_two_towers_features_stand_side_by_side_in_the_order_of_the_weights(
    folders: dict[str, Path], pixels: NDArray[np.uint8], names: tuple[str, ...]
) -> None:
    found = load_published(replace(FUSED, weights=names), folders)(flat(pixels))
    each = {
        SIGLIP_NAME: by_hand(folders[SIGLIP_NAME], pixels, "siglip"),
        DINOV2_NAME: by_hand(folders[DINOV2_NAME], pixels, "dinov2"),
    }
    torch.testing.assert_close(found, torch.cat([each[name] for name in names], dim=-1))


@torch.no_grad()
def test_the_vision_half_is_read_out_of_a_whole_siglip(
    tmp_path: Path, pixels: NDArray[np.uint8]
) -> None:
    from transformers import SiglipConfig, SiglipModel

    text: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 20,
        "num_hidden_layers": 1,
        "vocab_size": 30,
    }
    config = SiglipConfig(
        vision_config=siglip_config().to_dict(), text_config={**text, "num_attention_heads": 2}
    )
    folder = save_drawn(SiglipModel(config), tmp_path)
    names = load_file(folder / "model.safetensors")
    assert "vision_model.encoder.layers.0.self_attn.q_proj.weight" in names  # as on the hub
    assert "text_model.encoder.layers.0.self_attn.q_proj.weight" in names
    found = load_published(SIGLIP, {SIGLIP_NAME: folder})(flat(pixels))
    torch.testing.assert_close(found, by_hand(folder, pixels, "siglip"))


def test_a_dinov2_under_the_hub_s_own_names_is_read(folders: dict[str, Path]) -> None:
    names = load_file(folders[DINOV2_NAME] / "model.safetensors")
    assert "encoder.layer.0.attention.attention.query.weight" in names  # as on the hub
    found = load_published(FUSED, folders).state_dict()
    for ours, hub in (("query", "attention.attention.query"), ("out", "attention.output.dense")):
        stored = names[f"encoder.layer.1.{hub}.weight"]
        assert torch.equal(found[f"vits.0.blocks.1.{ours}.weight"], stored)


BLOCK = ["norm1", "query", "key", "value", "out", "norm2", "mlp.fc1", "mlp.fc2"]


def test_names_of_weights_are_ours_whatever_transformers_calls_them(
    folders: dict[str, Path],
) -> None:
    # Checkpoints of trained towers carry these names.
    pairs = [
        f"blocks.{i}.{name}.{kind}" for i in (0, 1) for name in BLOCK for kind in ("weight", "bias")
    ]
    siglip = [*pairs, "embeddings.patch_embedding.weight", "embeddings.patch_embedding.bias"]
    assert set(load_published(SIGLIP, folders).state_dict()) == {
        f"vits.0.{name}" for name in (*siglip, "embeddings.position_embedding.weight")
    }
    dinov2 = {name for name in load_published(FUSED, folders).state_dict() if "vits.0" in name}
    blocks = [
        f"blocks.{i}.{name}"
        for i in (0, 1, 2)
        for name in (
            *(f"{name}.{kind}" for name in BLOCK for kind in ("weight", "bias")),
            "scale1.lambda1",
            "scale2.lambda1",
        )
    ]
    places = ["cls_token", "register_tokens", "position_embeddings"]
    patch = ["patch_embeddings.projection.weight", "patch_embeddings.projection.bias"]
    assert dinov2 == {
        f"vits.0.{name}" for name in (*blocks, *(f"embeddings.{name}" for name in places + patch))
    }


def older_layer() -> nn.Module:
    """Return a block of DINOv2 as transformers 5.17 names its layers."""
    layer, attention = nn.Module(), nn.Module()
    attention.add_module("attention", nn.Module())
    for name in ("query", "key", "value"):
        attention.get_submodule("attention").add_module(name, nn.Linear(4, 4))
    attention.add_module("output", nn.Module())
    attention.get_submodule("output").add_module("dense", nn.Linear(4, 4))
    layer.add_module("attention", attention)
    for name in ("norm1", "norm2", "mlp", "layer_scale1", "layer_scale2"):
        layer.add_module(name, nn.Linear(4, 4))
    return layer


def test_layers_are_found_by_the_names_of_older_releases() -> None:
    layer = older_layer()
    block = published._block(layer, heads=2)
    assert block.query is layer.get_submodule("attention.attention.query")
    assert block.out is layer.get_submodule("attention.output.dense")
    assert block.scale2 is layer.get_submodule("layer_scale2")


def test_a_release_with_unknown_names_is_refused_and_the_layer_named() -> None:
    layer = older_layer()
    layer.get_submodule("attention.attention").add_module("value", None)
    with pytest.raises(ConfigError) as caught:
        published._block(layer, heads=2)
    assert caught.value.where == "transformers"
    assert "value" in caught.value.what


def test_a_frozen_tower_is_no_part_of_the_model() -> None:
    model = build_model(MODEL, SIGLIP, seed=0)  # asks for no weights: none are there
    assert model.tower is None
    assert not any(name.startswith("tower") for name in model.state_dict())


def test_a_trained_tower_starts_from_the_published_weights_and_all_of_it_moves(
    folders: dict[str, Path], pixels: NDArray[np.uint8]
) -> None:
    model = build_model(MODEL, replace(FUSED, frozen=False), seed=0, published=folders)
    assert model.tower is not None
    before = load_published(FUSED, folders).state_dict()
    assert all(torch.equal(before[name], own) for name, own in model.tower.state_dict().items())
    optimizer = build_optimizer(model, OptimizerConfig(weight_decay=0.0))
    for group in optimizer.param_groups:
        group["lr"] = 1e-3
    ids = torch.full((2, 9), model.image_token)
    torch.nn.functional.cross_entropy(
        model(ids, flat(pixels)).flatten(0, 1), torch.arange(18)
    ).backward()
    optimizer.step()
    after = model.tower.state_dict()
    still = [name for name in after if torch.equal(before[name], after[name])]
    assert still == []


@pytest.mark.parametrize(
    ("vision", "where"),
    [
        (replace(SIGLIP, patch_size=5), "patch_size"),
        (replace(SIGLIP, image_size=24), "image_size"),
        (replace(SIGLIP, feature_width=15), "feature_width"),
        (replace(FUSED, feature_width=16), "feature_width"),
        (replace(SIGLIP, weights=(DINOV2_NAME,)), "weights"),
        (replace(FUSED, weights=(SIGLIP_NAME, SIGLIP_NAME)), "weights"),
    ],
)
def test_weights_of_another_tower_than_declared_are_refused(
    folders: dict[str, Path], vision: VisionConfig, where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_published(vision, folders)
    assert caught.value.where == where


def test_towers_whose_grids_differ_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    from transformers import Dinov2WithRegistersModel

    folder = save_drawn(Dinov2WithRegistersModel(dinov2_config(patch_size=5)), tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_published(FUSED, {**folders, DINOV2_NAME: folder})
    assert caught.value.where == "patch_size"
    assert DINOV2_NAME in caught.value.what


def test_a_model_of_another_family_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(ConfigError) as caught:
        load_published(SIGLIP, {SIGLIP_NAME: tmp_path})
    assert "vit" in caught.value.what


@pytest.mark.usefixtures("offline")
def test_weights_that_are_nowhere_are_named_with_the_way_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_published(SIGLIP, {})
    assert SIGLIP_NAME in caught.value.what
    assert f"hf download {SIGLIP_NAME}" in caught.value.mend
    with pytest.raises(DataError) as caught:
        load_published(SIGLIP, {SIGLIP_NAME: tmp_path / "none"})
    assert caught.value.where == str(tmp_path / "none")
    assert str(tmp_path / "none") in caught.value.mend


@torch.no_grad()
def test_weights_in_the_hub_s_cache_are_found_without_asking_the_hub(
    offline: Path,
    folders: dict[str, Path],
    pixels: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import constants

    repository = offline / f"models--{SIGLIP_NAME.replace('/', '--')}"
    (repository / "snapshots").mkdir(parents=True)
    (repository / "snapshots" / "abc").symlink_to(folders[SIGLIP_NAME])
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    asked: list[object] = []

    def no_network(*place: object, **_: object) -> None:
        asked.append(place)
        raise OSError("there is no network")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    found = load_published(SIGLIP, {})(flat(pixels))
    assert asked == []
    torch.testing.assert_close(found, load_published(SIGLIP, folders)(flat(pixels)))


def copied(folder: Path, target: Path, tensors: Mapping[str, Tensor]) -> Path:
    (target / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file(dict(tensors), target / "model.safetensors", metadata={"format": "pt"})
    return target


def test_a_missing_tensor_is_not_drawn_at_random(folders: dict[str, Path], tmp_path: Path) -> None:
    whole = load_file(folders[SIGLIP_NAME] / "model.safetensors")
    gone = next(name for name in whole if name.endswith("layers.1.mlp.fc1.weight"))
    rest = {name: tensor for name, tensor in whole.items() if name != gone}
    with pytest.raises(DataError) as caught:
        load_published(SIGLIP, {SIGLIP_NAME: copied(folders[SIGLIP_NAME], tmp_path, rest)})
    assert "layers.1.mlp.fc1.weight" in caught.value.what
    assert caught.value.where == str(tmp_path)


def test_a_tensor_of_another_shape_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    whole = load_file(folders[SIGLIP_NAME] / "model.safetensors")
    name = next(name for name in whole if name.endswith("layers.1.mlp.fc1.weight"))
    folder = copied(folders[SIGLIP_NAME], tmp_path, {**whole, name: torch.zeros(3, 3)})
    with pytest.raises(DataError) as caught:
        load_published(SIGLIP, {SIGLIP_NAME: folder})
    assert caught.value.where == str(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_truncated_file_is_refused(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    whole = load_file(folders[SIGLIP_NAME] / "model.safetensors")
    folder = copied(folders[SIGLIP_NAME], tmp_path, whole)
    (folder / name).write_bytes((folder / name).read_bytes()[:100])
    with pytest.raises(DataError) as caught:
        load_published(SIGLIP, {SIGLIP_NAME: folder})
    assert caught.value.where == str(folder)


def test_the_study_cannot_train_a_published_tower_as_its_own() -> None:
    for build in (lambda: build_classifier(SIGLIP, classes=3, seed=0), lambda: build_tower(SIGLIP)):
        with pytest.raises(ConfigError) as caught:
            build()
        assert caught.value.where == "encoder"


def test_transformers_is_not_imported_before_a_tower_is_loaded() -> None:
    code = "import sys, models.training.features; sys.exit('transformers' in sys.modules)"
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=dict(os.environ))
