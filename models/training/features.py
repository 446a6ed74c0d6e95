"""What the images of a data set look like to a model: one array of features for each image.

One interface: features that a tower's training has stored, features computed through that tower
or through one with published weights, and the pixels of patches, for a model without tower or with
one that is trained too.

Shapes in comments: M images asked for, P patches, F feature width, p side of a patch.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.architecture.build import build_tower, is_published, refuse_published
from models.architecture.published import load_published
from models.architecture.tower import ConvTower, patches
from models.architecture.vit import PublishedTower
from models.architecture.vlm import TOWER
from models.data.bad import image_faults
from models.data.images import ImageSource, open_images
from models.training import checkpoint
from models.training.weights import weights_folders
from orchestrator.errors import ConfigError, RecordError
from orchestrator.spec.execution import Execution, Precision
from orchestrator.spec.model import Encoder, VisionConfig
from orchestrator.spec.source import DataSource
from orchestrator.store.files import replacing
from orchestrator.store.layout import RunFolder
from orchestrator.store.stage import StageContext

MEMO_BYTES = 1 << 28
"""Memory for features that were computed once: 256 MiB hold a whole demo world."""

IMAGES_AT_ONCE = 64
"""Images that go through a tower together; more gained no speed on a CPU."""


class Features(Protocol):
    """What the images with the given indices look like to a model."""

    def __call__(self, indices: NDArray[np.int64]) -> Tensor:
        """Return fp32 features: (M,) -> (M, P, F), or (M, P, 3 p^2) of pixels.

        They lie on the CPU, or where a frozen tower has computed them.
        """
        ...


def open_features(
    context: StageContext, source: DataSource, vision: VisionConfig, tower: str | None
) -> Features:
    """Return the features of a data set's images as a model with this encoder takes them.

    Args:
        context: gives folders of data and of the tower's run, and the device.
        source: the images.
        vision: the encoder.
        tower: `run_id` of the tower's training; None if the encoder needs none.

    Raises:
        ConfigError: if a frozen tower is declared without its training, or published weights
            with one, or are not what `vision` declares.
        RecordError: if the tower's run or its stored features are damaged or of another shape.
        DataError: if the images or published weights are missing or damaged.
    """
    if tower is not None:
        refuse_published(vision)
    if vision.encoder is Encoder.PATCH or not vision.frozen:
        return Memo(_pixels(context, source, vision))
    if is_published(vision):
        pixels = _pixels(context, source, vision)
        published = tuple(weights_folders(context, vision).items())
        return PublishedFeatures(pixels, *_frozen_tower(vision, published, context.execution))
    if tower is None:
        raise ConfigError(
            "a frozen tower is declared, but not the run that trained it",
            where="tower",
            mend="name a tower_pretrain run, or use the encoder `patch`",
        )
    folder = context.parent(tower)
    stored = stored_file(folder, source)
    if stored.exists():
        return StoredFeatures(stored, vision, len(open_images(context.data(source))))
    pixels = _pixels(context, source, vision)
    return Memo(OneByOne(TowerFeatures(pixels, load_tower(folder, vision))))


def _pixels(context: StageContext, source: DataSource, vision: VisionConfig) -> "PixelFeatures":
    return PixelFeatures(open_images(context.data(source)), vision, context.execution.threads)


def stored_file(folder: RunFolder, source: DataSource) -> Path:
    """Return where a tower's run keeps the features of a data set."""
    name = f"{source.name.replace('/', '.')}-{source.version}.npy"
    return folder.artifacts / "features" / name


def store_features(
    context: StageContext, source: DataSource, vision: VisionConfig, tower: ConvTower
) -> int:
    """Compute the features of all images of a data set, keep them, and return how many there are.

    Raises:
        DataError: if the images are missing.
    """
    images = open_images(context.data(source))
    pixels = PixelFeatures(images, vision, context.execution.threads)
    computed = TowerFeatures(pixels, tower)
    count = len(images)
    shape = (count, vision.image_tokens, vision.feature_width)
    with replacing(stored_file(context.folder, source)) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        for start in range(0, count, IMAGES_AT_ONCE):
            indices = np.arange(start, min(start + IMAGES_AT_ONCE, count))
            for part in _decodable(images, indices):
                array[part] = computed(part).numpy()
        array.flush()
    return count


def _decodable(images: ImageSource, indices: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the indices of images that can be decoded, to be computed together.

    The others are of samples that are left out (`models.data.bad`): nothing asks for them.
    """
    faults = image_faults((index, images.content(index)) for index in indices.tolist())
    good = [index for index, fault in faults if fault is None]
    return [np.array(good, dtype=np.int64)] if good else []


def load_tower(folder: RunFolder, vision: VisionConfig) -> ConvTower:
    """Return the tower that a finished `tower_pretrain` run has trained, ready to be asked.

    Raises:
        RecordError: if the run has no undamaged checkpoint or is of another tower.
    """
    tower = build_tower(vision)
    assert tower is not None, "an encoder without tower has no run"
    weights = checkpoint.finished(folder).weights
    own = {
        name.removeprefix(TOWER): tensor
        for name, tensor in weights.items()
        if name.startswith(TOWER)
    }
    checkpoint.load_weights(tower, own, where=str(folder.checkpoints))
    return tower.eval()


@lru_cache(1)
def _frozen_tower(
    vision: VisionConfig, published: tuple[tuple[str, Path], ...], execution: Execution
) -> tuple[PublishedTower, torch.device]:
    """Return the tower on the device, in the format of matrix products.

    The sources of a run share one: it may be gigabytes, and nothing changes it.
    """
    device = torch.device(execution.device)
    bf16 = execution.precision is Precision.BF16
    tower = load_published(vision, dict(published)).requires_grad_(requires_grad=False).eval()
    return tower.to(device, torch.bfloat16 if bf16 else torch.float32), device


class StoredFeatures:
    """Features read from the file that a tower's training left; not held in memory."""

    def __init__(self, path: Path, vision: VisionConfig, images: int) -> None:
        self._array: NDArray[np.float32] = np.load(path, mmap_mode="r")
        if len(self._array) != images:
            raise RecordError(
                f"features of {len(self._array)} images are stored, but there are {images}",
                where=str(path),
                mend="give changed data another version, so that its tower's run is another one",
            )
        expected = (vision.image_tokens, vision.feature_width)
        if self._array.shape[1:] != expected:
            raise RecordError(
                f"stored features have the shape {self._array.shape[1:]}, not {expected}",
                where=str(path),
                mend="declare the vision tower as it was trained",
            )

    def __call__(self, indices: NDArray[np.int64]) -> Tensor:
        """Return the rows of the file: (M,) -> (M, P, F)."""
        return torch.from_numpy(self._array[indices])


class PixelFeatures:
    """The pixels of patches, from images of any size."""

    def __init__(self, images: ImageSource, vision: VisionConfig, threads: int) -> None:
        """Decode nothing yet.

        Args:
            images: what is decoded.
            vision: sizes of images and patches.
            threads: images decoded at the same time; at least 1.
        """
        self._images = images
        self._vision = vision
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __call__(self, indices: NDArray[np.int64]) -> Tensor:
        """Decode images: (M,) -> (M, P, 3 p^2), in [-1, 1]."""
        decoded = (self._pool.map if self._pool else map)(self._square, indices.tolist())
        return patches(np.stack(list(decoded)), self._vision.patch_size)

    def _square(self, index: int) -> NDArray[np.uint8]:
        """Return an image as the model sees it, (S, S, 3)."""
        side = self._vision.image_size
        whole = side - side % self._vision.patch_size  # pixels beyond the last patch are left out
        return resized(self._images.pixels(index), side)[:whole, :whole]


class TowerFeatures:
    """What a frozen tower makes of the pixels."""

    def __init__(self, pixels: Features, tower: ConvTower) -> None:
        self._pixels = pixels
        self._tower = tower

    @torch.no_grad()
    def __call__(self, indices: NDArray[np.int64]) -> Tensor:
        """Run the tower: (M,) -> (M, P, F)."""
        return self._tower(self._pixels(indices))


class OneByOne:
    """Computes each image alone: to its last bit, it does not depend on what is asked with it.

    What a memo still has to compute follows from what was asked before, which differs between a run
    and its resumption, and between one process and several.
    """

    def __init__(self, compute: Features) -> None:
        self._compute = compute

    def __call__(self, indices: NDArray[np.int64]) -> Tensor:
        """Return what `compute` does: (M,) -> (M, P, F)."""
        return torch.cat([self._compute(index) for index in indices[:, None]])


class PublishedFeatures:
    """What a frozen tower with published weights makes of the pixels, fp32, on its device.

    Nothing is remembered: the features of one image take megabytes.
    """

    def __init__(self, pixels: Features, tower: PublishedTower, device: torch.device) -> None:
        self._pixels = pixels
        self._tower = tower
        self._device = device

    @torch.no_grad()
    def __call__(self, indices: NDArray[np.int64]) -> Tensor:
        """Run the tower, once for each distinct image: (M,) -> (M, P, F)."""
        distinct, places = np.unique(indices, return_inverse=True)
        with torch.autocast(self._device.type, enabled=False):  # its format is its weights' own
            found = torch.cat(
                [
                    self._tower(self._pixels(part).to(self._device))
                    for part in np.split(
                        distinct, range(IMAGES_AT_ONCE, len(distinct), IMAGES_AT_ONCE)
                    )
                ]
            )
        return found[torch.from_numpy(places).to(self._device)].float()


class Memo:
    """Remembers what was computed for each image, up to `MEMO_BYTES` in all."""

    def __init__(self, compute: Features) -> None:
        self._compute = compute
        self._known: dict[int, Tensor] = {}
        self._free = MEMO_BYTES

    def __call__(self, indices: NDArray[np.int64]) -> Tensor:
        """Return what `compute` does: (M,) -> (M, P, F)."""
        wanted: list[int] = indices.tolist()
        found = {index: self._known.get(index) for index in wanted}
        missing = [index for index, row in found.items() if row is None]
        if missing:
            rows = self._compute(np.array(missing, dtype=np.int64))
            for index, row in zip(missing, rows.unbind(0), strict=True):
                found[index] = row
                if row.nbytes <= self._free:
                    self._known[index] = row.clone()  # the row alone, not what it is a view of
                    self._free -= row.nbytes
        return torch.stack([row for row in map(found.get, wanted) if row is not None])


def resized(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Squash an image to a square by bicubic interpolation (Prismatic's `resize-naive`).

    Args:
        pixels: (H, W, 3).
        side: S; an image of this size is returned as it is.
    """
    if pixels.shape[:2] == (side, side):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
