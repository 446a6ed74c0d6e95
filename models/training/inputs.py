"""From a batch of the data to what one forward pass takes.

Shapes in comments: B sequences, T positions, M images, N supervised positions.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from models.data.batch import IGNORE, NO_DOCUMENT, Batch
from models.data.tokenizer import IMAGE
from models.training.features import Features
from orchestrator.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """One micro-batch. The names are those of the model's `forward`."""

    ids: Tensor
    """(B, T)."""
    features: Tensor | None
    """Of all images, (M, P, F); None if there is no image."""
    documents: Tensor | None
    """(B, T); None if each row is one document, which needs no mask."""
    chosen: Tensor | None
    """Supervised positions among the flattened ones, (N,); None if all are."""
    targets: Tensor
    """Next tokens at the supervised positions, (N,)."""

    def pinned(self) -> Self:
        """Return the same in memory that a GPU reads by itself, unless it has it already."""
        return self._each(lambda tensor: tensor if tensor.is_cuda else tensor.pin_memory())

    def on(self, device: torch.device) -> Self:
        """Return the same on a device; from pinned memory, without waiting."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        def changed(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else change(tensor)

        return replace(
            self,
            ids=change(self.ids),
            features=changed(self.features),
            documents=changed(self.documents),
            chosen=changed(self.chosen),
            targets=change(self.targets),
        )


def split(batch: Batch, parts: int) -> list[Batch]:
    """Cut a batch by rows into at most `parts` micro-batches that differ by at most one row."""
    if parts == 1:
        return [batch]
    rows = np.array_split(np.arange(len(batch.ids)), min(parts, len(batch.ids)))
    placed = np.count_nonzero(batch.ids == IMAGE, axis=1)  # (B,), image positions in each row
    per_image = placed.sum() // max(1, len(batch.images))
    before = np.concatenate(([0], np.cumsum(placed))) // max(1, per_image)  # (B + 1,)
    return [
        Batch(
            batch.ids[own],
            batch.targets[own],
            batch.documents[own],
            batch.images[before[own[0]] : before[own[-1] + 1]],
        )
        for own in rows
    ]


def prepare(batch: Batch, features: Features | None) -> Inputs:
    """Return a batch as tensors on the CPU, with the features of its images.

    Raises:
        DataError: if it shows images and there are no features to show.
    """
    images = None
    if len(batch.images):
        if features is None:
            raise DataError(
                "a sequence shows an image, but the model sees none",
                where="data",
                mend="declare `vision`, or give data without images",
            )
        images = features(batch.images)
    supervised = np.flatnonzero(batch.targets != IGNORE)  # (N,)
    everywhere = len(supervised) == batch.targets.size
    return Inputs(
        ids=torch.from_numpy(batch.ids),
        features=images,
        documents=None if _one_each(batch) else torch.from_numpy(batch.documents),
        chosen=None if everywhere else torch.from_numpy(supervised),
        targets=torch.from_numpy(batch.targets.ravel()[supervised]),
    )


def _one_each(batch: Batch) -> bool:
    """Return whether each row is one document, then padding that no earlier position can see."""
    alike = batch.documents == batch.documents[:, :1]
    return bool(np.all(alike | (batch.documents == NO_DOCUMENT)))
