"""A trained model with what it takes to ask it: features of images, device, a way to stop.

Shapes in comments: B sequences, T positions, M images, N chosen positions, V vocabulary.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.architecture.attention import KeyValueCache, Layout
from models.architecture.vlm import VisionLanguageModel
from models.data.tokenizer import PADDING
from models.training.features import Features
from models.training.ranks import Ranks
from orchestrator.spec.execution import Device, Execution, Precision
from orchestrator.store.world import World

Tokens = tuple[int, ...]
"""Token ids; an image is `image_tokens` of IMAGE in a row."""

ALONE = Ranks(World())
"""One process asks everything."""

CACHED_POSITIONS = 8192
"""Positions of one batch that is written on, which bounds the memory for its cache, and of one that
is read by a GPU."""

CPU_POSITIONS = 1024
"""Positions that each thread of a CPU reads at once: up to here its cache holds them, and beyond
both that and padding cost (a decoder of width 256 took 1.8 times as long at 8192)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Respondent:
    """The model that is asked, and how much it is asked at once."""

    model: VisionLanguageModel
    """In evaluation mode, on the device."""
    seq_len: int
    """Positions of the longest sequence it was trained on."""
    image_tokens: int = 0
    """P: positions of one image; 0 for a model of text alone."""
    features: Features | None = None
    """Features of the benchmark's images; None if no image is ever shown."""
    execution: Execution = field(default_factory=Execution)
    """Device and precision."""
    tick: Callable[[], None] = lambda: None
    """Called before each batch; raises `StoppedError` when asked to stop."""
    batch_positions: int | None = None
    """Positions of one batch, which bound memory and never the answers; at least 1. None: what
    suits the device."""
    ranks: Ranks = ALONE
    """The processes that ask together, each with a respondent of its own; batches are dealt."""

    @property
    def read_positions(self) -> int:
        """Return the positions of a batch that goes through the model once."""
        if self.batch_positions is not None or self.execution.device is Device.CUDA:
            return self.written_positions
        return CPU_POSITIONS * self.execution.threads

    @property
    def written_positions(self) -> int:
        """Return the positions of a batch that the model writes on, step by step."""
        return CACHED_POSITIONS if self.batch_positions is None else self.batch_positions

    @contextmanager
    def answering(self) -> Generator[None]:
        """Compute without gradients, in the precision that the execution names."""
        bf16 = self.execution.precision is Precision.BF16
        kind = "cuda" if self.execution.device is Device.CUDA else "cpu"
        with (
            torch.inference_mode(),
            torch.autocast(kind, dtype=torch.bfloat16, enabled=bf16),
        ):
            yield

    def batch(self, rows: "list[tuple[Tokens, int | None]]") -> "Batch":
        """Put rows side by side, padded on the right, which no earlier position can see."""
        length = max(len(tokens) for tokens, _ in rows)
        ids = np.full((len(rows), length), PADDING, dtype=np.int64)
        for i, (tokens, _) in enumerate(rows):
            ids[i, : len(tokens)] = tokens
        images = np.array([image for _, image in rows if image is not None], dtype=np.int64)
        device = self.execution.device.value
        return Batch(
            ids=torch.from_numpy(ids).to(device),  # (B, T)
            features=self._features(images, device),  # (M, P, F)
        )

    def logits(self, batch: "Batch", chosen: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """Score the next token at some positions.

        Args:
            batch: what is read.
            chosen: positions, counted over B and T, ascending, (N,).
            cache: keys and values of the positions before; extended by this call.

        Returns:
            Logits, fp32, (N, V).
        """
        return self.model.answers(batch.ids, batch.features, chosen, cache, batch.layout).float()

    def _features(self, images: npt.NDArray[np.int64], device: str) -> Tensor | None:
        if not len(images):
            return None
        assert self.features is not None, "the caller shows images only where there are features"
        return self.features(images).to(device)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of tokens with their images."""

    ids: Tensor
    """(B, T), int64."""
    features: Tensor | None
    """(M, P, F) in row-major order; None without images."""
    layout: Layout | None = None
    """Where its positions stand; None for one behind the other."""
