"""The states of images' and captions' tokens behind each layer of a model, one layer at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.data.tokenizer import IMAGE
from models.evaluation.likelihood import Continuation, batches
from models.evaluation.modality_gap import layer_distance
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
        lengths = [len(one.tokens) for one in asked]
        self._groups = [
            _Group(respondent, [asked[i] for i in group])
            for group in batches(lengths, respondent.read_positions)
        ]

    def distance(self, layer: int) -> float:
        """Return the distance of vision and text tokens behind a layer, from 1, each but once.

        Layers are asked for in ascending order.
        """
        while self._layer < layer:
            self._layer += 1
            for group in self._groups:
                self._respondent.tick()
                group.rise()
        vision, text = (
            torch.cat([getattr(group, kind) for group in self._groups])
            for kind in ("vision", "text")
        )
        return layer_distance(vision, text)


class _Group:
    """One batch of captioned images on its way through the model."""

    def __init__(self, respondent: Respondent, asked: Sequence[Continuation]) -> None:
        batch = respondent.batch([(one.tokens, one.image) for one in asked])
        assert batch.features is not None, "a suite that compares with vision tokens shows images"
        ends = torch.tensor([len(one.tokens) for one in asked], device=batch.ids.device)  # (B,)
        places = torch.arange(batch.ids.shape[1], device=batch.ids.device)  # (T,)
        self._is_vision = batch.ids == IMAGE  # (B, T)
        self._is_text = (places < ends[:, None]) & ~self._is_vision  # (B, T)
        self._states = respondent.model.states(batch.ids, batch.features)
        self._now: Tensor | None = None  # (B, T, D)

    def rise(self) -> None:
        """Run the next block."""
        self._now = next(self._states)

    @property
    def vision(self) -> Tensor:
        """States at the positions of images, (n, D)."""
        assert self._now is not None
        return self._now[self._is_vision]

    @property
    def text(self) -> Tensor:
        """States at the positions of captions, (n, D)."""
        assert self._now is not None
        return self._now[self._is_text]
