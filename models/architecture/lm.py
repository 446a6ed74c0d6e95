"""The decoder: OpenLM's parametrisation, initialisation and state-dict names.

Shapes in comments: B sequences, T positions, D width, V vocabulary.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import (
    checkpoint,  # pyright: ignore[reportUnknownVariableType]  (its function has no types)
)

from models.architecture.attention import (
    LEAST_FLEX_WIDTH,
    Attention,
    KeyValueCache,
    LayerCache,
    Layout,
    Queries,
    Visible,
    block_visibility,
    visibility,
)
from models.architecture.feed_forward import Gelu, SwiGlu
from models.architecture.norm import build_norm, reset_norms
from models.architecture.rotary import Rotation, reset_rotary
from orchestrator.spec.model import FeedForward, ModelConfig, Norm

TRUNCATION = 3.0
"""Initial weights lie within this many standard deviations (OpenLM)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockShape:
    """The sizes and kinds of layers that all blocks of a decoder share."""

    width: int
    heads: int
    head_width: int
    norm: Norm
    qk_norm: bool
    ffn: FeedForward
    ffn_width: int


class Block(nn.Module):
    """Attention and feed-forward, each normalised before and added to what came in."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.attention = Attention(
            width=shape.width,
            heads=shape.heads,
            head_width=shape.head_width,
            norm=shape.norm,
            qk_norm=shape.qk_norm,
        )
        feed_forward = SwiGlu if shape.ffn is FeedForward.SWIGLU else Gelu
        self.feed_forward = feed_forward(width=shape.width, hidden=shape.ffn_width)
        self.attention_norm = build_norm(shape.norm, shape.width)
        self.ffn_norm = build_norm(shape.norm, shape.width)

    def forward(
        self, x: Tensor, visible: Visible, rotation: Rotation, cache: LayerCache | None
    ) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        x = x + self.attention(self.attention_norm(x), visible, rotation, cache)
        return x + self.feed_forward(self.ffn_norm(x))

    def at(
        self, x: Tensor, queries: Queries, rotation: Rotation, cache: LayerCache | None
    ) -> Tensor:
        """Map (B, T, D) to what `forward` gives at some positions, (B, n, D)."""
        mixed = self.attention.at(self.attention_norm(x), queries, rotation, cache)
        x = queries.of(x) + mixed  # (B, n, D)
        return x + self.feed_forward(self.ffn_norm(x))


class Decoder(nn.Module):
    """A decoder-only transformer; its state dict has OpenLM's names and shapes.

    With tied weights there is no `output`: the embedding is the only copy.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        depth: int,
        shape: BlockShape,
        weight_tying: bool,
        post_embed_norm: bool = False,
    ) -> None:
        super().__init__()
        self.post_embed_norm = (
            build_norm(shape.norm, shape.width) if post_embed_norm else nn.Identity()
        )
        self.tok_embeddings = nn.Embedding(vocab_size, shape.width)
        self.layers = nn.ModuleList(Block(shape) for _ in range(depth))
        self.norm = build_norm(shape.norm, shape.width)
        self.output = None if weight_tying else nn.Linear(shape.width, vocab_size, bias=False)
        self.recompute = False
        """Whether the backward pass computes each block again, and keeps its input alone."""
        self._is_compiled = False

    def compile_blocks(self) -> None:
        """Compile each block: the first steps are slow, the others faster."""
        for block in self.layers:
            block.compile()
        self._is_compiled = True

    def embed(self, ids: Tensor) -> Tensor:
        """Look token ids up: (B, T) -> (B, T, D)."""
        return self.tok_embeddings(ids)

    def forward(
        self,
        embedded: Tensor,
        documents: Tensor | None = None,
        cache: KeyValueCache | None = None,
        layout: Layout | None = None,
    ) -> Tensor:
        """Run the blocks and the last norm.

        Args:
            embedded: token embeddings, with images in their places, (B, T, D).
            documents: ids, (B, T); attention stays inside equal ids. None: one document per row.
            cache: keys and values of the positions before; extended by this call.
            layout: where positions stand and what they see, in the place of `documents`.

        Returns:
            Activations, (B, T, D), from which `logits` reads.
        """
        visible, rotation = self._seen(embedded, documents, cache, layout)
        x = self.post_embed_norm(embedded)
        for index, block in enumerate(self.layers):
            kept = None if cache is None else cache.layers[index]
            if self.recompute and torch.is_grad_enabled() and cache is None:
                x = cast(Tensor, checkpoint(block, x, visible, rotation, kept, use_reentrant=False))
            else:
                x = block(x, visible, rotation, kept)
        return self.norm(x)

    def chosen(
        self,
        embedded: Tensor,
        chosen: Tensor,
        cache: KeyValueCache | None = None,
        layout: Layout | None = None,
    ) -> Tensor:
        """Return what `forward` gives at some positions; the last block computes these alone.

        Rounding aside, it is the same. It is for answering, not for training.

        Args:
            embedded: of one document per row, (B, T, D).
            chosen: indices into the B T flattened positions, ascending, (N,), int64.
            cache: keys and values of the positions before; extended by this call.
            layout: where positions stand and what they see.

        Returns:
            Activations, (N, D), from which `logits` reads.
        """
        B, T, _ = embedded.shape
        rows = chosen // T  # (N,)
        counts = torch.bincount(rows, minlength=B)  # (B,)
        # The most in a row is asked of the device last: each step of writing would wait for it.
        if 2 * len(chosen) > B * T or 2 * (n := int(counts.max())) > T:
            hidden = self(embedded, None, cache, layout)  # (B, T, D)
            return hidden.flatten(0, 1).index_select(0, chosen)  # (N, D)
        slots = torch.arange(len(chosen), device=chosen.device)  # (N,)
        slots = slots - (counts.cumsum(0) - counts)[rows]
        places = torch.zeros(B, n, dtype=torch.int64, device=chosen.device)  # (B, n)
        places[rows, slots] = chosen % T  # rows with fewer ask for their first one as well
        x, rotation, queries = self._below(embedded, places, cache, layout)
        kept = None if cache is None else cache.layers[-1]
        return self.norm(self._last.at(x, queries, rotation, kept)[rows, slots])  # (N, D)

    def _below(
        self, embedded: Tensor, places: Tensor, cache: KeyValueCache | None, layout: Layout | None
    ) -> tuple[Tensor, Rotation, Queries]:
        """Run all blocks but the last; say what that one is asked for."""
        start, table = 0 if cache is None else cache.length, self._first.attention.pos_embed
        visible, rotation = self._seen(embedded, None, cache, layout)
        if layout is None:
            seen = torch.arange(start + embedded.shape[1], device=places.device)  # (S,)
            mask = seen <= start + places[:, None, :, None]  # (B, 1, n, S)
            queries = Queries(places, table.at(start + places), mask)
        else:
            wide = places[:, None, :, None].expand(-1, -1, -1, layout.mask.shape[-1])
            mask = layout.mask.gather(2, wide)  # (B, 1, n, S)
            queries = Queries(places, table.at(layout.places.gather(1, places)), mask)
        x = self.post_embed_norm(embedded)
        for index, block in enumerate(self.layers[:-1]):
            x = block(x, visible, rotation, None if cache is None else cache.layers[index])
        return x, rotation, queries

    def states(self, x: Tensor) -> Iterator[Tensor]:
        """Yield what each block gives, (B, T, D); what the last gives, behind the last norm.

        The next block is run when its state is asked for. No state but the last one yielded is
        kept.

        Args:
            x: token embeddings of one document per row, images in their places, (B, T, D).
        """
        visible, rotation = self._seen(x, None, None, None)
        x = self.post_embed_norm(x)
        for number, block in enumerate(self.layers, start=1):
            x = block(x, visible, rotation, None)
            if number == len(self.layers):
                x = self.norm(x)
            yield x

    def logits(self, hidden: Tensor) -> Tensor:
        """Score every token of the vocabulary: (..., D) -> (..., V), as matrix products give it."""
        head = self.tok_embeddings if self.output is None else self.output
        return F.linear(hidden, head.weight)

    def _can_flex(self, embedded: Tensor) -> bool:
        return embedded.is_cuda and self._first.attention.head_width >= LEAST_FLEX_WIDTH

    def _seen(
        self,
        embedded: Tensor,
        documents: Tensor | None,
        cache: KeyValueCache | None,
        layout: Layout | None,
    ) -> tuple[Visible, Rotation]:
        """Return what positions may look at, and the tables of where they stand."""
        table = self._first.attention.pos_embed
        if layout is not None:
            assert documents is None, "a layout says what is visible"
            return Visible(layout.mask), table.at(layout.places)
        length, start = embedded.shape[1], 0 if cache is None else cache.length
        if documents is not None and self._is_compiled and self._can_flex(embedded):
            return block_visibility(documents), table(start, length)
        visible = visibility(documents, length=length, start=start, device=embedded.device)
        return visible, table(start, length)

    @property
    def _first(self) -> Block:
        block = self.layers[0]
        assert isinstance(block, Block)
        return block

    @property
    def _last(self) -> Block:
        block = self.layers[-1]
        assert isinstance(block, Block)
        return block

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw OpenLM's initial weights: truncated normals, residual outputs scaled by depth.

        The scale of a block's two residual outputs falls with its own index, not with the number
        of blocks: 1 / sqrt(2 (index + 1)).
        """
        width = self.tok_embeddings.embedding_dim
        _draw(self.tok_embeddings, 1 / math.sqrt(width), generator)
        for index, block in enumerate(self.layers):
            assert isinstance(block, Block)
            into, out = _matrices(block.feed_forward)
            by_depth = 1 / math.sqrt(2 * (index + 1))
            _draw(block.attention.in_proj, 1 / math.sqrt(width), generator)
            _draw(block.attention.out_proj, by_depth / math.sqrt(width), generator)
            _draw(into, 1 / math.sqrt(width), generator)
            _draw(out, by_depth / math.sqrt(out.in_features), generator)
        if self.output is not None:
            _draw(self.output, 1 / math.sqrt(width), generator)
        reset_norms(self)
        reset_rotary(self)


def build_decoder(model: ModelConfig) -> Decoder:
    """Return a decoder of the declared shape; its weights are yet to be drawn or loaded."""
    shape = BlockShape(
        width=model.width,
        heads=model.heads,
        head_width=model.head_width,
        norm=model.norm,
        qk_norm=model.qk_norm,
        ffn=model.ffn,
        ffn_width=model.ffn_width,
    )
    return Decoder(
        vocab_size=model.vocab_size,
        depth=model.depth,
        shape=shape,
        weight_tying=model.weight_tying,
        post_embed_norm=model.post_embed_norm,
    )


def _matrices(feed_forward: nn.Module) -> tuple[nn.Linear, nn.Linear]:
    """Return the matrix into the hidden layer and the one out of it."""
    into, out = (module for module in feed_forward.modules() if isinstance(module, nn.Linear))
    return into, out


def _draw(layer: nn.Linear | nn.Embedding, sigma: float, generator: torch.Generator) -> None:
    bound = TRUNCATION * sigma
    nn.init.trunc_normal_(layer.weight, std=sigma, a=-bound, b=bound, generator=generator)
