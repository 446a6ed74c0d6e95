"""Causal self-attention in OpenLM's parametrisation, and the cache of incremental decoding.

Shapes in comments: B sequences, T positions, S positions seen so far (of block masks: squares along
a side), D width, H heads, K width of a head (OpenLM rounds D / H down, so that H K may be less
than D).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from models.architecture.norm import build_norm
from models.architecture.rotary import RotaryEmbedding, Rotation, rotate
from orchestrator.spec.model import Norm

SQUARE = 128
"""Positions along the side of the squares that `flex_attention` computes or leaves out."""

LEAST_FLEX_WIDTH = 16
"""Heads that are narrower are none of `flex_attention`'s."""

GROWTH = 64
"""Positions by which a full cache grows: to copy it at each step would cost more than the step."""


@dataclass(frozen=True, slots=True)
class Visible:
    """Which positions each position may look at."""

    mask: Tensor | None = None
    """True where it may, bool, (B, 1, T, S) or (T, S)."""
    causal: bool = False
    """Whether every earlier position of the same row is visible; then there is no mask."""
    blocks: BlockMask | None = None
    """In the place of a mask: which squares of the T x T positions hold visible ones. Compiled,
    the others are never computed."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where positions stand, if they are not one behind the other in each row.

    Rows with padding, and sequences that share their beginning, are told so.
    """

    places: Tensor
    """Of each position in its own sequence, from 0, int64, (B, T)."""
    mask: Tensor
    """True where a position may look, the cached ones first, bool, (B, 1, T, S). Each position
    may look somewhere."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Some positions of each row, as many in every row, for which alone a block is computed.

    n positions; the others are looked at, and give no result.
    """

    places: Tensor
    """Of the positions in their rows, from 0, int64, (B, n)."""
    rotation: Rotation
    """Their tables."""
    mask: Tensor
    """True where a position may look, bool, (B, 1, n, S)."""

    def of(self, x: Tensor) -> Tensor:
        """Take these positions out of all: (B, T, D) -> (B, n, D)."""
        return x.gather(1, self.places[..., None].expand(-1, -1, x.shape[-1]))


class LayerCache:
    """Keys and values that one layer has computed so far."""

    def __init__(self) -> None:
        self.length = 0
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append (B, H, T, K) and return everything so far, (B, H, S, K)."""
        end = self.length + keys.shape[2]
        if self._keys is None or self._values is None:
            self._keys, self._values = keys, values
        else:
            if end > self._keys.shape[2]:
                self._keys = F.pad(self._keys, (0, 0, 0, end + GROWTH - self._keys.shape[2]))
                self._values = F.pad(self._values, (0, 0, 0, end + GROWTH - self._values.shape[2]))
            self._keys[:, :, self.length : end] = keys
            self._values[:, :, self.length : end] = values
        self.length = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def padded(self, length: int) -> tuple[Tensor, Tensor]:
        """Return keys and values so far with zeros behind them, (B, H, length, K)."""
        assert self._keys is not None, "something was computed"
        assert self._values is not None, "keys and values come together"
        more = (0, 0, 0, length - self.length)
        keys, values = self._keys[:, :, : self.length], self._values[:, :, : self.length]
        return F.pad(keys, more), F.pad(values, more)


class KeyValueCache:
    """Keys and values of all layers, for decoding one token after the other.

    All rows of a batch have the same length; a `Layout` says which of a row's are padding.
    """

    def __init__(self, depth: int) -> None:
        self.layers = tuple(LayerCache() for _ in range(depth))

    @classmethod
    def joined(cls, caches: "Sequence[KeyValueCache]") -> "KeyValueCache":
        """Put the rows of caches below each other, the shorter ones padded on the right."""
        if len(caches) == 1:
            return caches[0]
        length = max(cache.length for cache in caches)
        whole = cls(len(caches[0].layers))
        for number, layer in enumerate(whole.layers):
            parts = [cache.layers[number].padded(length) for cache in caches]
            layer.extend(torch.cat([keys for keys, _ in parts]), torch.cat([v for _, v in parts]))
        return whole

    @property
    def length(self) -> int:
        """Positions seen so far."""
        return self.layers[0].length


class Attention(nn.Module):
    """Self-attention with rotary positions; queries and keys may be normalised over all heads."""

    def __init__(
        self, *, width: int, heads: int, head_width: int, norm: Norm, qk_norm: bool
    ) -> None:
        super().__init__()
        self.heads = heads
        self.head_width = head_width
        inner = heads * head_width
        self.in_proj = nn.Linear(width, 3 * inner, bias=False)
        self.out_proj = nn.Linear(inner, width, bias=False)
        self.pos_embed = RotaryEmbedding(head_width)
        self.q_norm = build_norm(norm, inner) if qk_norm else nn.Identity()
        self.k_norm = build_norm(norm, inner) if qk_norm else nn.Identity()

    def forward(
        self, x: Tensor, visible: Visible, rotation: Rotation, cache: LayerCache | None
    ) -> Tensor:
        """Let each position gather from those it may see: (B, T, D) -> (B, T, D)."""
        q, k, v = self.in_proj(x).chunk(3, -1)  # each (B, T, H K)
        q = rotate(self._split(self.q_norm(q)), rotation).type_as(v)  # (B, H, T, K)
        k = rotate(self._split(self.k_norm(k)), rotation).type_as(v)  # (B, H, T, K)
        v = self._split(v)  # (B, H, T, K)
        if cache is not None:
            k, v = cache.extend(k, v)  # each (B, H, S, K)
        mixed = attend(q, k, v, visible)  # (B, H, T, K)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))  # (B, T, D)

    def at(
        self, x: Tensor, queries: Queries, rotation: Rotation, cache: LayerCache | None
    ) -> Tensor:
        """Let some positions gather from those they may see: (B, T, D) -> (B, n, D).

        Keys and values are those of all positions.
        """
        inner = self.heads * self.head_width
        weight = self.in_proj.weight  # (3 H K, D)
        q = F.linear(queries.of(x), weight[:inner])  # (B, n, H K)
        k, v = F.linear(x, weight[inner:]).chunk(2, -1)  # each (B, T, H K)
        q = rotate(self._split(self.q_norm(q)), queries.rotation).type_as(v)  # (B, H, n, K)
        k = rotate(self._split(self.k_norm(k)), rotation).type_as(v)  # (B, H, T, K)
        v = self._split(v)  # (B, H, T, K)
        if cache is not None:
            k, v = cache.extend(k, v)  # each (B, H, S, K)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=queries.mask)  # (B, H, n, K)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))  # (B, n, D)

    def _split(self, x: Tensor) -> Tensor:
        B, T, _ = x.shape
        return x.view(B, T, self.heads, self.head_width).transpose(1, 2)  # (B, H, T, K)


def attend(q: Tensor, k: Tensor, v: Tensor, visible: Visible) -> Tensor:
    """Mix the values of visible positions: (B, H, T, K), twice (B, H, S, K) -> (B, H, T, K)."""
    if visible.blocks is not None:
        mixed = flex_attention(q, k, v, block_mask=visible.blocks)
        assert isinstance(mixed, Tensor), "nothing beside it was asked for"
        return mixed
    return F.scaled_dot_product_attention(q, k, v, attn_mask=visible.mask, is_causal=visible.causal)


def block_visibility(documents: Tensor) -> Visible:
    """Return that positions see earlier ones of their own document, as blocks.

    Args:
        documents: ids, (B, T).
    """
    B, T = documents.shape
    mask = document_mask(documents)  # (B, T, T)
    S = -(-T // SQUARE)
    edge = S * SQUARE - T
    squares = F.pad(mask, (0, edge, 0, edge)).view(B, 1, S, SQUARE, S, SQUARE)
    seen = squares.sum((3, 5))  # (B, 1, S, S), how many of each square's positions
    whole = seen == SQUARE**2

    def sees(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:  # noqa: ARG001  (heads see alike)
        return (q >= k) & torch.eq(documents[b, q], documents[b, k])

    made = BlockMask.from_kv_blocks(
        *_listed((seen > 0) & ~whole),
        *_listed(whole),
        BLOCK_SIZE=SQUARE,
        mask_mod=sees,
        seq_lengths=(T, T),
    )
    return Visible(blocks=made)


def _listed(squares: Tensor) -> tuple[Tensor, Tensor]:
    """Return how many squares each row of them has, (B, 1, S), and which, first, (B, 1, S, S)."""
    order = torch.argsort(squares.int(), dim=-1, descending=True, stable=True)
    return squares.sum(-1, dtype=torch.int32), order.int()


def document_mask(documents: Tensor) -> Tensor:
    """Return where a position sees another: not after it, and of its document: (B, T, T), bool."""
    T = documents.shape[1]
    past = torch.ones(T, T, dtype=torch.bool, device=documents.device).tril()  # (T, T)
    return past & torch.eq(documents[:, :, None], documents[:, None, :])


def visibility(
    documents: Tensor | None, *, length: int, start: int, device: torch.device
) -> Visible:
    """Return what `length` positions may see that follow `start` cached ones.

    Args:
        documents: ids, (B, T); a position sees earlier ones of its own document. Never together
            with a cache, in which each row is one document.
        length: T, positions of this call.
        start: positions in the cache.
        device: where a mask is made.
    """
    if documents is not None:
        assert start == 0, "documents and a cache are never used together"
        return Visible(document_mask(documents)[:, None])  # (B, 1, T, T)
    if start == 0:
        return Visible(causal=True)
    if length == 1:
        return Visible()
    past = torch.ones(length, start + length, dtype=torch.bool, device=device)
    return Visible(past.tril(start))  # (T, S)
