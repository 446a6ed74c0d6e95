"""A decoder that also sees images: features are projected and stand among the token embeddings.

Shapes in comments: B sequences, T positions, M images, P patches (positions of one image), F
feature width, D width, V vocabulary, N chosen positions.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from models.architecture.attention import KeyValueCache, Layout
from models.architecture.lm import Decoder

TOWER = "tower."
"""How the names of a tower's weights begin, in a tower's run and in a model's."""


class VisionLanguageModel(nn.Module):
    """Decoder, projector and, where the encoder is trained too, the tower.

    A model of text alone has neither projector nor tower.
    """

    def __init__(
        self,
        *,
        decoder: Decoder,
        image_token: int,
        projector: nn.Sequential | None = None,
        tower: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.image_token = image_token
        self.decoder = decoder
        self.projector = projector
        self.tower = tower

    def new_cache(self) -> KeyValueCache:
        """Return an empty cache for `forward`."""
        return KeyValueCache(len(self.decoder.layers))

    def forward(  # noqa: PLR0913  (all that decoders are asked, most of it optional)
        self,
        ids: Tensor,
        features: Tensor | None = None,
        documents: Tensor | None = None,
        cache: KeyValueCache | None = None,
        chosen: Tensor | None = None,
        layout: Layout | None = None,
        *,
        idle: bool = False,
    ) -> Tensor:
        """Score the next token at each position.

        Args:
            ids: tokens, (B, T), int64; each image is P consecutive image tokens.
            features: what the images' encoder gave, in the order in which the images stand in
                `ids`, (M, P, F); the patches' pixels, (M, P, 3 p^2), if the tower is trained too.
                None if there is no image.
            documents: ids, (B, T); attention stays inside equal ids. None: one document per row.
            cache: keys and values of the positions before; extended by this call.
            chosen: positions to score, as indices into the B T flattened ones, (N,), int64; None
                for all.
            layout: where positions stand and what they see, in the place of `documents`.
            idle: whether the parts that see images take part without one: their gradients are
                zero, not absent. Where weights are cut over processes, all need the same.

        Returns:
            Logits, (B, T, V), or (N, V) of the chosen positions, in the format of matrix products:
            bf16 under autocast.
        """
        embedded = self._embedded(ids, features)  # (B, T, D)
        if features is None and idle:
            embedded = embedded + self._nothing()
        hidden = self.decoder(embedded, documents, cache, layout)  # (B, T, D)
        if chosen is not None:
            hidden = hidden.flatten(0, 1).index_select(0, chosen)  # (N, D)
        return self.decoder.logits(hidden)

    def answers(
        self,
        ids: Tensor,
        features: Tensor | None,
        chosen: Tensor,
        cache: KeyValueCache | None = None,
        layout: Layout | None = None,
    ) -> Tensor:
        """Score the next token at some positions, as `forward` does, and compute no more than that.

        Args:
            ids: tokens of one document per row, (B, T), int64; each image is P image tokens.
            features: as in `forward`.
            chosen: indices into the B T flattened positions, ascending, (N,), int64.
            cache: as in `forward`.
            layout: as in `forward`.

        Returns:
            Logits, (N, V), in the format of matrix products.
        """
        embedded = self._embedded(ids, features)  # (B, T, D)
        return self.decoder.logits(self.decoder.chosen(embedded, chosen, cache, layout))

    def states(self, ids: Tensor, features: Tensor) -> Iterator[Tensor]:
        """Return what each block of the decoder gives, (B, T, D); the last, behind the last norm.

        Args:
            ids: tokens of one document per row, (B, T), int64; each image is P image tokens.
            features: as in `forward`.
        """
        return self.decoder.states(self._embedded(ids, features))  # no features are kept

    def _embedded(self, ids: Tensor, features: Tensor | None) -> Tensor:
        embedded = self.decoder.embed(ids.clamp(min=0))  # (B, T, D); images are put in below
        return embedded if features is None else self._with_images(embedded, ids, features)

    def _nothing(self) -> Tensor:
        """Return a zero that depends on each weight of projector and tower."""
        parts = [part for part in (self.projector, self.tower) if part is not None]
        used = [p for part in parts for p in part.parameters() if p.requires_grad]
        return torch.stack([parameter.sum() * 0.0 for parameter in used]).sum()

    def _with_images(self, embedded: Tensor, ids: Tensor, features: Tensor) -> Tensor:
        assert self.projector is not None, "a model of text alone was given an image"
        if self.tower is not None:
            features = self.tower(features)  # (M, P, F)
        tokens = self.projector(features).flatten(0, 1).type_as(embedded)  # (M P, D)
        places = torch.nonzero(ids.flatten() == self.image_token).squeeze(1)  # (M P,)
        return embedded.flatten(0, 1).index_copy(0, places, tokens).view_as(embedded)
