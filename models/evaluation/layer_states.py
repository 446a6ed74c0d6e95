"""The states of images' and captions' tokens behind each layer of a model, one layer at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.data.tokenizer import IMAGE
from models.evaluation.likelihood import Continuation, batches
from models.evaluation.modality_gap import Term, layer_distance
from models.evaluation.respondent import Respondent


class Layers:
    """The states of all tokens behind one layer, which move up as higher layers are asked for.

    No more than one layer is in memory, and each block is run once.
    """

    def __init__(self, respondent: Respondent, asked: Sequence[Continuation]) -> None:
        """Stand below the first layer.

        Args:
            respondent: the model; it is answering as long as layers are asked for.
            asked: captions behind their images.
        """
        self._respondent = respondent
        self._layer = 0
        self._captions = len(asked)
        lengths = [len(one.tokens) for one in asked]
        self._groups = [
            _Group(respondent, asked, group)
            for group in batches(lengths, respondent.read_positions)
        ]

    def term(self, layer: int) -> Term:
        """Return how far vision and text tokens lie apart behind a layer, from 1, each but once.

        Layers are asked for in ascending order. The term's samples are the captions, as asked.
        """
        while self._layer < layer:
            self._layer += 1
            for group in self._groups:
                self._respondent.tick()
                group.rise()
        groups = self._groups
        found = layer_distance(
            torch.cat([group.of(group.is_vision) for group in groups]),
            torch.cat([group.of(group.is_text) for group in groups]),
        )
        return found.by_sample(
            torch.cat([group.owners(group.is_vision) for group in groups]),
            torch.cat([group.owners(group.is_text) for group in groups]),
            self._captions,
        )


class _Group:
    """One batch of captioned images on its way through the model."""

    def __init__(
        self, respondent: Respondent, asked: Sequence[Continuation], numbers: Sequence[int]
    ) -> None:
        own = [asked[i] for i in numbers]
        batch = respondent.batch([(one.tokens, one.image) for one in own])
        assert batch.features is not None, "a suite that compares with vision tokens shows images"
        device = batch.ids.device
        ends = torch.tensor([len(one.tokens) for one in own], device=device)  # (B,)
        places = torch.arange(batch.ids.shape[1], device=device)  # (T,)
        self.is_vision = batch.ids == IMAGE  # (B, T)
        self.is_text = (places < ends[:, None]) & ~self.is_vision  # (B, T)
        self._numbers = torch.tensor(numbers, device=device)  # (B,)
        self._states = respondent.model.states(batch.ids, batch.features)
        self._now: Tensor | None = None  # (B, T, D)

    def rise(self) -> None:
        """Run the next block."""
        self._now = next(self._states)

    def of(self, chosen: Tensor) -> Tensor:
        """Return the states at some positions, (B, T) -> (n, D)."""
        assert self._now is not None
        return self._now[chosen]

    def owners(self, chosen: Tensor) -> Tensor:
        """Return which caption each of some positions is of, (B, T) -> (n,)."""
        return self._numbers[torch.nonzero(chosen)[:, 0]]
