"""Images with what stands in each patch, to train a small vision tower on.

Tar files of samples with an image and a `json` that holds `patches` (the class of each patch, row
by row) and `classes` (how many classes there are).
"""

import json
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from models.data.images import IMAGE_SUFFIXES
from models.data.index import Arrays, Index, fingerprints
from models.data.pixels import decode_image
from models.data.tars import Sample, read_samples, tar_files
from orchestrator.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Scenes:
    """All scenes of a part. n scenes, P patches."""

    pixels: NDArray[np.uint8]
    """(n, H, W, 3), RGB."""
    labels: NDArray[np.int64]
    """(n, P). Class of each patch, from 0."""
    classes: int
    """Classes that labels count."""


def open_scenes(folder: Path, patches: int) -> Scenes:
    """Open a part of scenes.

    Args:
        folder: the part.
        patches: P, patches that the tower cuts an image into.

    Raises:
        DataError: if a scene is damaged, or has another number of patches.
    """
    arrays = scene_index(folder).arrays()
    labels = np.asarray(arrays["labels"])
    if labels.shape[1] != patches:
        raise DataError(
            f"scenes have {labels.shape[1]} patches, the tower {patches}",
            where=str(folder),
            mend="choose image_size and patch_size so that the tower sees the same patches",
        )
    return Scenes(arrays["pixels"], labels, int(arrays["classes"][0]))


def scene_index(folder: Path) -> Index:
    """Return the index over a part of scenes.

    Raises:
        DataError: if there is no tar file.
    """
    files = tar_files(folder)
    return Index(
        folder=folder, name="scenes", stamp=fingerprints(files), build=lambda: _read(files)
    )


def _read(files: list[Path]) -> Arrays:
    read = chain.from_iterable(
        (_scene(f"{file}: {sample.key}", sample) for sample in read_samples(file)) for file in files
    )
    scenes = list(read)
    shapes = {(pixels.shape, len(labels), classes) for pixels, labels, classes in scenes}
    if len(shapes) != 1:
        raise DataError(
            f"the scenes have {len(shapes)} different sizes or numbers of classes, not one",
            where=str(files[0].parent),
            mend="write all scenes of a part with the same size, patches and classes",
        )
    pixels, labels, classes = zip(*scenes, strict=True)
    return {
        "pixels": np.stack(pixels),
        "labels": np.array(labels, dtype=np.int64),
        "classes": np.array(classes[:1], dtype=np.int64),
    }


def _scene(where: str, sample: Sample) -> tuple[NDArray[np.uint8], list[int], int]:
    suffix = next((suffix for suffix in IMAGE_SUFFIXES if suffix in sample.fields), None)
    try:
        if suffix is None:
            raise ValueError("there is no image")
        label = cast(dict[str, Any], json.loads(sample.fields["json"]))
        patches, classes = list(label["patches"]), int(label["classes"])
        if not all(type(patch) is int and 0 <= patch < classes for patch in patches):
            raise ValueError("a patch's class is not a number below `classes`")
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the scene cannot be read ({error!r})",
            where,
            'give each sample an image and a json with "patches" and "classes"',
        ) from error
    return decode_image(sample.fields[suffix], where), patches, classes
