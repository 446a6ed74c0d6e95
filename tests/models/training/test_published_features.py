"""A frozen tower with published weights gives the hub's own features, wherever it is asked."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models import stages
from models.architecture.build import build_model
from models.architecture.published import load_published
from models.architecture.vit import PublishedTower
from models.data.images import open_images
from models.training import checkpoint, features
from models.training.features import TOWER, PublishedFeatures, open_features
from models.training.optimizer import build_optimizer
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.execution import Execution, Precision
from orchestrator.spec.model import Encoder, ModelConfig, Norm, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig, OptimizerState
from orchestrator.spec.run import ImageTextPretrain, TowerPretrain
from orchestrator.spec.schedule import warmup_cosine
from orchestrator.spec.source import DataSource

Contexts = Callable[..., Any]

NAME = "lab/siglip-tiny"
FOLDER = "weights-hub/lab--siglip-tiny"
VISION = VisionConfig(
    encoder=Encoder.SIGLIP, image_size=20, patch_size=6, feature_width=16, weights=(NAME,)
)
MODEL = ModelConfig(
    width=32, depth=1, heads=2, vocab_size=512, seq_len=128, norm=Norm.GAIN_ONLY, qk_norm=True
)
IMAGES = DataSource(name="shapeworld/captions", version="tiny")
BRANCH = ImageTextPretrain(
    model=MODEL,
    vision=VISION,
    text=DataSource(name="shapeworld/text", version="tiny"),
    captions=IMAGES,
    val_text=None,
    val_captions=DataSource(name="shapeworld/captions_val", version="tiny"),
    image_ratio=0.5,
    tokens=2 * 4 * 128,
    text_start=0,
    batch_tokens=4 * 128,
    schedule=warmup_cosine(peak=1e-2, final=1e-5, warmup=0, length=2 * 4 * 128),
    optimizer=OptimizerConfig(),
    optimizer_state=OptimizerState.DROP,
    seed=0,
    trunk=None,
    tower=None,
)
OWN_TOWER = TowerPretrain(
    vision=VISION,
    scenes=DataSource(name="shapeworld/scenes", version="tiny"),
    steps=2,
    batch_images=8,
    schedule=warmup_cosine(peak=3e-3, final=1e-5, warmup=8, length=16),
    optimizer=OptimizerConfig(),
    features_of=(IMAGES,),
    seed=0,
)
INDICES = np.array([5, 0, 5, 39])


@pytest.fixture
def context(stage_context: Contexts, world: Path, tmp_path: Path) -> Any:
    """A run whose data root holds the tiny world and a tiny SigLIP."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    config = SiglipVisionConfig(
        hidden_size=16,
        intermediate_size=20,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=20,
        patch_size=6,
    )
    model = SiglipVisionModel(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    root = tmp_path / "data"
    root.mkdir()
    (root / "shapeworld-tiny").symlink_to(world / "shapeworld-tiny")
    model.save_pretrained(root / FOLDER)
    return replace(stage_context(BRANCH), data_root=root)


@torch.no_grad()
def by_hand(context: Any) -> Tensor:
    """Return what the hub's own image processor and model make of the images."""
    from transformers import SiglipVisionModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    images = open_images(context.data(IMAGES))
    processor = SiglipImageProcessorPil(size={"height": 20, "width": 20})
    values = processor([images.pixels(int(index)) for index in INDICES], return_tensors="pt")
    model = SiglipVisionModel.from_pretrained(context.data_root / FOLDER)
    return model(**values, output_hidden_states=True).hidden_states[-2]


def test_features_are_those_of_the_hub_s_own_processor_and_model(context: Any) -> None:
    found = open_features(context, IMAGES, VISION, None)(INDICES)
    assert found.shape == (4, 9, 16)
    assert torch.equal(found[0], found[2])
    torch.testing.assert_close(found, by_hand(context))


class Recording(PublishedTower):
    """A tower of no transformers that notes how many images it is shown; features are pixels."""

    def __init__(self) -> None:
        super().__init__([])
        self.shown: list[int] = []

    def forward(self, flat: Tensor) -> Tensor:
        self.shown.append(len(flat))
        return flat


def test_each_image_goes_through_the_tower_once_and_a_few_at_a_time(
    context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "IMAGES_AT_ONCE", 2)
    pixels = open_features(context, IMAGES, replace(VISION, frozen=False), None)
    tower = Recording()
    wanted = np.array([7, 3, 7, 1, 0, 3, 2])
    found = PublishedFeatures(pixels, tower, torch.device("cpu"))(wanted)
    assert torch.equal(found, pixels(wanted))
    assert tower.shown == [2, 2, 1]


@pytest.mark.parametrize("precision", Precision)
def test_features_are_the_same_whatever_precision_surrounds_them(
    context: Any, precision: Precision
) -> None:
    given = open_features(
        replace(context, execution=Execution(precision=precision)), IMAGES, VISION, None
    )
    trained_on = given(INDICES)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        asked = given(INDICES)
    assert torch.equal(trained_on, asked)
    assert trained_on.dtype == torch.float32


def test_a_tower_in_bf16_errs_by_what_bf16_cannot_keep(context: Any) -> None:
    half = replace(context, execution=Execution(precision=Precision.BF16))
    exact = by_hand(context)
    error = (open_features(half, IMAGES, VISION, None)(INDICES) - exact).norm() / exact.norm()
    assert 2**-12 < error < 2**-5  # 8 bits are kept; fp32 keeps 24


@pytest.fixture
def hub_cache(context: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Put the tiny SigLIP into a cache of the hub, with the hub out of reach."""
    from huggingface_hub import constants

    cache = tmp_path / "cache"
    repository = cache / "models--lab--siglip-tiny"
    for name in ("snapshots", "refs"):
        (repository / name).mkdir(parents=True)
    (repository / "snapshots" / "abc").symlink_to(context.data_root / FOLDER)
    (repository / "refs" / "main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))


@pytest.fixture
def published(context: Any) -> dict[str, Tensor]:
    return load_published(VISION, {NAME: context.data_root / FOLDER}).state_dict()


def pretrained(context: Any, vision: VisionConfig) -> dict[str, Tensor]:
    """Train on captions for two steps; return the weights in the checkpoint."""
    stages.image_text_pretrain(replace(context, config=replace(BRANCH, vision=vision)))
    return dict(checkpoint.finished(context.folder).weights)


def test_training_neither_moves_nor_keeps_a_frozen_tower(
    context: Any, published: dict[str, Tensor]
) -> None:
    torch.set_num_threads(context.execution.threads)  # as the stage does: sums follow their number
    given = open_features(context, IMAGES, VISION, None)
    before = given(INDICES)
    assert not before.requires_grad
    weights = pretrained(context, VISION)
    assert {name.partition(".")[0] for name in weights} == {"decoder", "projector"}
    assert torch.equal(given(INDICES), before)
    optimizer = build_optimizer(build_model(MODEL, VISION, seed=0), OptimizerConfig())
    moved = {p.shape for group in optimizer.param_groups for p in group["params"]}
    assert published["vits.0.blocks.0.mlp.fc1.weight"].shape not in moved


@pytest.mark.usefixtures("hub_cache")
def test_a_trained_tower_moves_and_is_kept_with_the_rest(
    context: Any, published: dict[str, Tensor]
) -> None:
    vision = replace(VISION, frozen=False)
    weights = pretrained(context, vision)
    own = {name.removeprefix(TOWER): t for name, t in weights.items() if name.startswith(TOWER)}
    assert own.keys() == published.keys()
    assert [name for name in own if torch.equal(own[name], published[name])] == []
    loaded = checkpoint.load_trained(context.folder, MODEL, vision).tower
    assert loaded is not None
    assert all(torch.equal(own[name], tensor) for name, tensor in loaded.state_dict().items())


def test_a_trained_tower_is_shown_the_pixels_of_whole_patches(context: Any) -> None:
    found = open_features(context, IMAGES, replace(VISION, frozen=False), None)(INDICES)
    assert found.shape == (4, 9, 3 * 6 * 6)
    model = build_model(
        MODEL,
        replace(VISION, frozen=False),
        seed=0,
        published={NAME: context.data_root / FOLDER},
    )
    assert model.tower is not None
    with torch.no_grad():
        torch.testing.assert_close(model.tower(found), by_hand(context))


def test_the_run_of_an_own_tower_is_refused(context: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        open_features(context, IMAGES, VISION, "tower")
    assert caught.value.where == "encoder"
    with pytest.raises(ConfigError) as caught:
        stages.tower_pretrain(replace(context, config=OWN_TOWER))
    assert caught.value.where == "encoder"


def test_weights_that_are_nowhere_are_an_error_with_a_way_out(
    context: Any, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError) as caught:
        open_features(replace(context, data_root=world), IMAGES, VISION, None)
    assert NAME in caught.value.what
    assert FOLDER in caught.value.mend
