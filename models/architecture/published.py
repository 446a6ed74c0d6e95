"""Vision towers with published weights, read through transformers.

Weights lie in a folder that the caller knows, or in the hub's cache, which is asked before the
hub itself. transformers takes seconds to import, so it is imported where a tower is loaded.
"""

import importlib
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import nn

from models.architecture.vit import PixelScale, PublishedTower, Vit, VitBlock
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.model import Encoder, VisionConfig
from orchestrator.spec.weights import weights_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the transformers of one family have in common."""

    model: str
    """Name of the class in transformers."""
    pixel_scale: PixelScale
    """The normalisation they were trained with."""


SIGLIP = Family(
    model="SiglipVisionModel",
    pixel_scale=PixelScale(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
)
"""Zhai et al. 2023 (arXiv:2303.15343); the scale is that of its hub's image processor."""

DINOV2 = Family(
    model="Dinov2WithRegistersModel",
    pixel_scale=PixelScale(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
)
"""Oquab et al. 2023 (arXiv:2304.07193) with the registers of Darcet et al. 2023
(arXiv:2309.16588); the scale is that of ImageNet."""

FAMILIES = {"siglip": SIGLIP, "siglip_vision_model": SIGLIP, "dinov2_with_registers": DINOV2}
"""Families by the `model_type` of a checkpoint's `config.json`."""

ENCODERS = {Encoder.SIGLIP: {SIGLIP.model}, Encoder.SIGLIP_DINOV2: {SIGLIP.model, DINOV2.model}}
"""The transformers that make up each encoder."""

LAYERS = {
    "norm1": ("layer_norm1", "norm1"),
    "query": ("self_attn.q_proj", "attention.q_proj", "attention.attention.query"),
    "key": ("self_attn.k_proj", "attention.k_proj", "attention.attention.key"),
    "value": ("self_attn.v_proj", "attention.v_proj", "attention.attention.value"),
    "out": ("self_attn.out_proj", "attention.o_proj", "attention.output.dense"),
    "norm2": ("layer_norm2", "norm2"),
    "mlp": ("mlp",),
}
"""Layers of a block by our names; what transformers calls them in SigLIP, in DINOv2 of release 5.23
and, where that differs, in DINOv2 of 5.0 to 5.17."""

SCALES = {"scale1": "layer_scale1", "scale2": "layer_scale2"}
"""Layers that only DINOv2 has."""


def load_published(vision: VisionConfig, folders: Mapping[str, Path]) -> PublishedTower:
    """Return the towers of an encoder with published weights: fp32, on the CPU, trainable.

    Args:
        vision: the encoder.
        folders: where weights lie, by hub name; those not in it are looked for in the hub's cache
            and, where the environment allows it, fetched from the hub.

    Raises:
        DataError: if weights are neither here nor to be had, or are damaged.
        ConfigError: if the weights are not what `vision` declares.
    """
    models = [_load(name, folders.get(name)) for name in vision.weights]
    families = [family.model for family, _ in models]
    if set(families) != ENCODERS[vision.encoder]:
        raise ConfigError(
            f"the encoder {vision.encoder} is made of {', '.join(sorted(ENCODERS[vision.encoder]))}"
            f", but the weights are of {', '.join(families)}",
            where="weights",
            mend="name the weights of the right towers, or another encoder",
        )
    for name, (_, model) in zip(vision.weights, models, strict=True):
        _check_grid(vision, name, model.config)
    width = sum(model.config.hidden_size for _, model in models)
    if width != vision.feature_width:
        raise ConfigError(
            f"feature_width is {vision.feature_width}, but {' and '.join(vision.weights)} give "
            f"{width} features",
            where="feature_width",
            mend=f"give {width}",
        )
    return PublishedTower(_vit(family, model) for family, model in models)


def _check_grid(vision: VisionConfig, name: str, config: Any) -> None:
    """Refuse a tower that cuts images into other patches than those declared."""
    if config.patch_size != vision.patch_size:
        raise ConfigError(
            f"patch_size is {vision.patch_size}, but {name} has patches of {config.patch_size}, so "
            "that the grids of patches differ",
            where="patch_size",
            mend=f"give {config.patch_size}, or the weights of another tower",
        )
    grid, known = (side // vision.patch_size for side in (vision.image_size, config.image_size))
    if FAMILIES[config.model_type] is SIGLIP and grid != known:  # DINOv2 interpolates its places
        raise ConfigError(
            f"image_size {vision.image_size} has a grid of {grid} x {grid} patches, but {name} "
            f"knows {known} x {known} places",
            where="image_size",
            mend=f"give {config.image_size}",
        )


def _vit(family: Family, model: Any) -> Vit:
    """Keep of a model what its features pass through: not the last block, norm and head."""
    body = getattr(model, "vision_model", model)  # SigLIP's in transformers 5.0
    siglip = family is SIGLIP
    layers: Iterable[nn.Module] = body.encoder.layers if siglip else body.encoder.layer
    if not siglip:
        del body.embeddings.mask_token  # no patch is ever masked
    return Vit(
        embeddings=body.embeddings,
        blocks=[_block(layer, model.config.num_attention_heads) for layer in list(layers)[:-1]],
        patch_size=model.config.patch_size,
        before_patches=0 if siglip else 1 + model.config.num_register_tokens,
        pixel_scale=family.pixel_scale,
    )


def _block(layer: nn.Module, heads: int) -> VitBlock:
    found = dict(cast(Iterable[tuple[str, nn.Module]], layer.named_modules()))
    layers = {
        name: found[spelling]
        for name, spellings in LAYERS.items()
        for spelling in spellings
        if spelling in found
    }
    if len(layers) < len(LAYERS):
        raise ConfigError(
            f"the installed transformers gives blocks no {', '.join(LAYERS.keys() - layers.keys())}"
            " by a known name",
            where="transformers",
            mend="install transformers 5.23",
        )
    scales = {name: found.get(spelling, nn.Identity()) for name, spelling in SCALES.items()}
    return VitBlock({**layers, **scales}, heads=heads)


def _load(name: str, folder: Path | None) -> tuple[Family, Any]:
    """Read a model with all its weights from its folder, else the hub's cache, else the hub.

    Raises:
        DataError: if it is in none of them.
    """
    source = name if folder is None else str(folder)
    try:
        with _quiet():
            try:
                return _read(name, source, is_local=True)  # a network may not answer for minutes
            except OSError:
                if folder is not None:
                    raise
                return _read(name, source, is_local=False)
    except OSError as error:
        own = weights_source(name)
        place = folder or f"DATA/{own.collection}-{own.version}/{own.part}"
        raise DataError(
            f"the published weights {name} are not there ({_line(error)})",
            where="the data root, and the hub's cache (HF_HOME)" if folder is None else source,
            mend=f"where there is a network: hf download {name} --local-dir '{place}'",
        ) from error


def _read(name: str, source: str, *, is_local: bool) -> tuple[Family, Any]:
    """Read a model from a folder, or by hub name.

    Raises:
        OSError: if it is not there.
        DataError: if it is damaged.
        ConfigError: if it is of another family.
    """
    transformers = importlib.import_module("transformers")
    try:
        config = transformers.AutoConfig.from_pretrained(source, local_files_only=is_local)
        kind = getattr(transformers, _family(name, config.model_type).model)
        model, found = kind.from_pretrained(
            source, local_files_only=is_local, dtype=torch.float32, output_loading_info=True
        )
    except (RuntimeError, ValueError, SafetensorError) as error:
        raise _damaged(name, source, _line(error)) from error
    if found["missing_keys"]:
        raise _damaged(name, source, f"there is no {min(found['missing_keys'])}")
    return _family(name, config.model_type), model


def _family(name: str, model_type: str) -> Family:
    if model_type not in FAMILIES:
        raise ConfigError(
            f"{name} is a model of type {model_type}, not one of {', '.join(FAMILIES)}",
            where="weights",
            mend="name the weights of SigLIP or of DINOv2 with registers",
        )
    return FAMILIES[model_type]


def _damaged(name: str, source: str, reason: str) -> DataError:
    return DataError(
        f"the published weights {name} cannot be read ({reason})",
        where=source,
        mend="remove them and fetch them again",
    )


def _line(error: Exception) -> str:
    """Return the first line of what a library says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _quiet() -> Generator[None]:
    """Keep transformers from reporting on weights: what is left out here is so on purpose."""
    logging: Any = importlib.import_module("transformers.utils.logging")
    level, shows_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shows_bars:
            logging.enable_progress_bar()
