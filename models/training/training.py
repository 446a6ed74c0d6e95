"""What the training loop is given, and what it leaves."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from models.training.guard import Recent
from models.training.loss import Part
from orchestrator.spec.guard import Guard
from orchestrator.spec.schedule import Schedule

CHECKPOINT_SECONDS = 600.0
"""Between checkpoints nobody asked for: a killed job loses ten minutes at most, and a 17 GB
checkpoint, a minute to write and hash, takes a tenth of the time at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is trained, on what, and for how long."""

    module: nn.Module
    """On its device, with the weights to start from."""
    optimizer: torch.optim.Optimizer
    """With the state to start from."""
    parts: Callable[[int], Iterator[Part]]
    """The losses of the step at a position, one micro-batch after the other."""
    schedule: Schedule
    """Learning rate over positions."""
    grad_clip: float
    """Largest global L2 norm of the gradient."""
    batch: int
    """Positions of one step: tokens, examples or images."""
    end: int
    """Position to reach. A multiple of `batch`."""
    keep_optimizer: bool
    """Whether another run goes on from the final checkpoint's optimizer state."""
    start: int = 0
    """Position of `module` and `optimizer` as they are given. A multiple of `batch`."""
    counters: Mapping[str, int] = field(default_factory=dict[str, int])
    """What was counted up to `start`."""
    recent: Recent = ()
    """Loss and gradient norm of the last good steps up to `start`."""
    guard: Guard = Guard()
    """What is done about steps that would harm the module."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    """Between checkpoints nobody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training leaves."""

    module: nn.Module
    """Whole, on its device, in the first process. Elsewhere it may be a share."""
    counters: dict[str, int]
    """What was counted from position 0 to the end."""
