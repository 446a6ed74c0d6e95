"""Train a small vision tower on scenes, and measure it on scenes it has not seen."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from models.architecture.tower import TowerClassifier, patches
from models.data.mixture import order
from models.data.scenes import Scenes
from models.training.loss import precision
from orchestrator.spec.execution import Execution
from orchestrator.store.stage import Measure

HELD_OUT = 10
"""One scene in this many, the last ones of the part, is kept for the measurement."""

SCENES_AT_ONCE = 256
"""Scenes in one forward pass of the measurement."""


def parted(scenes: Scenes) -> tuple[Scenes, Scenes]:
    """Part scenes into those to train on and those held out, at least one each."""
    train = len(scenes.labels) - max(1, len(scenes.labels) // HELD_OUT)
    return (
        Scenes(scenes.pixels[:train], scenes.labels[:train], scenes.classes),
        Scenes(scenes.pixels[train:], scenes.labels[train:], scenes.classes),
    )


def scene_order(n: int, *, batch: int, seed: int) -> Callable[[int], NDArray[np.int64]]:
    """Return the indices of the batch that begins at a position, over endless shuffled passes."""

    @lru_cache(2)
    def one_pass(epoch: int) -> NDArray[np.int64]:
        return order(n, seed, epoch, "scenes")

    def indices(position: int) -> NDArray[np.int64]:
        places = (divmod(number, n) for number in range(position, position + batch))
        return np.array([one_pass(epoch)[place] for epoch, place in places])

    return indices


@torch.no_grad()
def patch_accuracy(
    classifier: TowerClassifier, scenes: Scenes, patch_size: int, execution: Execution
) -> Measure:
    """Measure the share of patches that are named rightly; the baseline names the commonest class.

    The standard error takes each scene as one draw, since its patches are not independent.
    """
    device = torch.device(execution.device)
    shares: list[NDArray[np.float64]] = []
    for start in range(0, len(scenes.labels), SCENES_AT_ONCE):
        own = slice(start, start + SCENES_AT_ONCE)
        flat = patches(np.array(scenes.pixels[own]), patch_size).to(device)
        with precision(execution):
            named = classifier(flat).argmax(-1).cpu().numpy()  # (M, P)
        shares.append((named == scenes.labels[own]).mean(1))
    share = np.concatenate(shares)
    n = len(share)
    return Measure(
        suite="tower",
        benchmark="patches",
        metric="accuracy",
        value=float(share.mean()),
        n=scenes.labels.size,
        stderr=float(share.std(ddof=1)) / math.sqrt(n) if n > 1 else None,
        baseline=float(np.bincount(scenes.labels.ravel()).max() / scenes.labels.size),
    )
