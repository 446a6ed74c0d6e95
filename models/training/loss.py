"""What training brings down: next-token loss of the model, patch classes of a tower.

Losses are means over the whole batch, whatever its micro-batches: each is a sum divided by the
count of supervised targets of all of them. Computed in fp32.

Shapes in comments: N supervised targets, V vocabulary or classes.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.architecture.tower import TowerClassifier, patches
from models.architecture.vlm import VisionLanguageModel
from models.data.batch import IGNORE, NO_DOCUMENT, Batch
from models.data.tokenizer import IMAGE
from models.training.ahead import Ahead
from models.training.features import Features
from models.training.fused_loss import fused_terms
from models.training.inputs import Inputs, prepare, split
from models.training.lean_loss import lean_terms
from models.training.sharding import is_sharded
from orchestrator.spec.execution import Device, Execution, Precision
from orchestrator.store.world import World

ALONE = World()
"""The usual case: one process computes each batch."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One micro-batch's share of the batch's loss."""

    objective: Tensor
    """What is differentiated: the loss and its regularisers."""
    loss: Tensor
    """Nats per supervised target of the whole batch."""
    counts: Mapping[str, int]
    """What to add up over the run."""
    kinds: Mapping[str, "Kind"] = field(default_factory=dict[str, "Kind"])
    """The same loss by kind of sequence, where there are several kinds."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """The loss of sequences of one kind."""

    nats: Tensor
    """Summed over their supervised targets."""
    targets: int
    """How many these are."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Step:
    """What this process computes of one step."""

    batch: Batch
    """Of all processes."""
    own: list[tuple[Batch, Inputs]]
    """The micro-batches of this one."""
    idle: tuple[Batch, Inputs] | None
    """One that it computes for nothing, where others have one more: all gather weights alike."""


@dataclass(frozen=True, kw_only=True)
class NextToken:
    """The mean loss over the supervised targets of a batch of sequences."""

    model: VisionLanguageModel
    batches: Callable[[int], Batch]
    """The batch that begins at a position."""
    features: Features | None
    """Of the images in the batches."""
    execution: Execution
    z_loss: float
    """Weight of the mean squared log-partition."""
    world: World = ALONE
    """Which share of each batch this process computes."""
    stride: int | None = None
    """Positions from one step to the next, whose batch is made while this one's is computed; None
    to make each when it is asked for."""

    @cached_property
    def _steps(self) -> Callable[[int], _Step]:
        return self._made if self.stride is None else Ahead(self._made, self.stride)

    def __call__(self, position: int) -> Iterator[Part]:
        """Yield the micro-batches of the step at `position`, one forward pass at a time."""
        step = self._steps(position)
        for piece, inputs in step.own:
            yield self._part(piece, inputs, step.batch)
        if step.idle is not None:
            part = self._part(*step.idle, step.batch)
            yield Part(part.objective * 0.0, part.loss * 0.0, {})

    def _made(self, position: int) -> _Step:
        """Read what this process computes at a position."""
        batch = self.batches(position)
        pieces = split(batch, self.execution.accumulation * self.world.size)
        own = pieces[self.world.rank :: self.world.size]
        most = math.ceil(len(pieces) / self.world.size)
        is_idle = is_sharded(self.execution, self.world) and len(own) < most
        return _Step(
            batch=batch,
            own=[(piece, self._read(piece)) for piece in own],
            idle=(pieces[0], self._read(pieces[0])) if is_idle else None,
        )

    def _read(self, piece: Batch) -> Inputs:
        inputs = prepare(piece, self.features)
        return inputs.pinned() if self.execution.device is Device.CUDA else inputs

    def _part(self, piece: Batch, inputs: Inputs, batch: Batch) -> Part:
        """Compute a micro-batch's share of a batch's loss."""
        inputs = inputs.on(torch.device(self.execution.device))
        idle = len(batch.images) > 0 and is_sharded(self.execution, self.world)
        logits = supervised_logits(self.model, inputs, self.execution, idle=idle)  # (N, V)
        if self.execution.compile:
            nats, partition = fused_terms(logits, inputs.targets)  # (N,) each
        else:
            nats, partition = lean_terms(logits.float(), inputs.targets)  # (N,) each
        loss = objective = nats.sum() / batch.supervised
        if self.z_loss:
            objective = loss + self.z_loss * (partition.square().sum() / batch.supervised)
        kinds = {} if self.features is None else by_kind(piece, nats.detach())
        return Part(objective, loss.detach(), counted(piece), kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchClass:
    """The mean loss over all patches of a batch of images."""

    classifier: TowerClassifier
    pixels: NDArray[np.uint8]
    """Of all images, (n, S, S, 3)."""
    labels: NDArray[np.int64]
    """What stands in each patch, (n, P)."""
    batches: Callable[[int], NDArray[np.int64]]
    """The images of the batch that begins at a position."""
    patch_size: int
    execution: Execution
    world: World = ALONE
    """Which share of each batch this process computes."""

    def __call__(self, position: int) -> Iterator[Part]:
        """Yield the micro-batches of the step at `position`."""
        indices = self.batches(position)
        targets = len(indices) * self.labels.shape[1]
        device = torch.device(self.execution.device)
        parts = min(self.execution.accumulation * self.world.size, len(indices))
        pieces = np.array_split(indices, parts)
        for own in pieces[self.world.rank :: self.world.size]:
            flat = patches(self.pixels[own], self.patch_size).to(device)
            labels = torch.from_numpy(self.labels[own]).to(device)
            with precision(self.execution):
                logits = self.classifier(flat)  # (M, P, V)
            loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
            yield Part(loss / targets, loss.detach() / targets, {"images": len(own)})


def by_kind(batch: Batch, nats: Tensor) -> dict[str, Kind]:
    """Return the loss of sequences with images, `image_text`, and of those without, `text`.

    Args:
        batch: rows, B of them.
        nats: loss of each of their N supervised targets, row by row, (N,).
    """
    supervised = batch.targets != IGNORE  # (B, T)
    shown = (batch.ids == IMAGE).any(axis=1)  # (B,)
    found: dict[str, Kind] = {}
    for name, rows in (("image_text", shown), ("text", ~shown)):
        targets = int(np.count_nonzero(supervised[rows]))
        if targets:
            chosen = np.repeat(rows, supervised.sum(axis=1))  # (N,)
            mask = torch.from_numpy(chosen).to(nats.device)
            found[name] = Kind(nats.sum() if rows.all() else nats[mask].sum(), targets)
    return found


def counted(batch: Batch) -> dict[str, int]:
    """Count the supervised targets, the positions that are not padding, and the images."""
    return {
        "supervised_tokens": batch.supervised,
        "filled_tokens": int(np.count_nonzero(batch.documents != NO_DOCUMENT)),
        "images": len(batch.images),
    }


def supervised_logits(
    model: VisionLanguageModel, inputs: Inputs, execution: Execution, *, idle: bool = False
) -> Tensor:
    """Score the tokens at the supervised positions, (N, V); see the model for format and `idle`."""
    with precision(execution):
        logits = model(
            inputs.ids,
            features=inputs.features,
            documents=inputs.documents,
            chosen=inputs.chosen,
            idle=idle,
        )
    return logits.flatten(0, -2)  # (N, V)


def precision(execution: Execution) -> AbstractContextManager[object]:
    """Return the context in which matrix products have the declared format."""
    enabled = execution.precision is Precision.BF16
    return torch.autocast(execution.device.value, dtype=torch.bfloat16, enabled=enabled)
