"""A caption's perplexity is that of the caption alone, whatever it is scored together with."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from models.architecture.build import build_model
from models.data.captions import Captions
from models.data.tokenizer import END_OF_TEXT, IMAGE
from models.perplexity import CaptionItems, Scorer, kept_count, least_surprising
from orchestrator.errors import ConfigError
from orchestrator.spec.execution import Execution
from orchestrator.spec.model import Encoder, ModelConfig, Norm, VisionConfig

T, P = 24, 4
MODEL = ModelConfig(
    width=16, depth=2, heads=2, vocab_size=50, seq_len=T, norm=Norm.RMS, qk_norm=True
)
VISION = VisionConfig(encoder=Encoder.PATCH, image_size=8, patch_size=4, feature_width=48)
TOLERANCE = 1e-4
"""Nats per token; what `Scorer` promises in fp32."""


def captions() -> Captions:
    """Forty captions of 0 to 30 words: an empty one, and some that do not fit."""
    rng = np.random.default_rng(0)
    lengths = [0, 30, 19, 20, 21, *rng.integers(1, 30, 35)]
    texts = [[*rng.integers(4, 50, length).tolist(), END_OF_TEXT] for length in lengths]
    starts = np.cumsum([0, *map(len, texts)])
    n = len(starts) - 1
    return Captions(
        np.array([token for text in texts for token in text], np.uint16),
        starts,
        images=np.arange(n),
        all_images=n,
    )


CAPTIONS = captions()
ITEMS = CaptionItems(captions=CAPTIONS, seq_len=T, image_tokens=P)
FEATURES = torch.randn(40, P, 48, generator=torch.Generator().manual_seed(1))
BUILT = build_model(MODEL, VISION, seed=0).eval()


def features(indices: NDArray[np.int64]) -> Tensor:
    return FEATURES[torch.from_numpy(indices)]


def scorer(positions_at_once: int) -> Scorer:
    return Scorer(
        model=BUILT,
        items=ITEMS,
        features=features,
        execution=Execution(),
        positions_at_once=positions_at_once,
    )


def scored(positions_at_once: int) -> tuple[list[float], list[int]]:
    """Return mean losses and counts of all captions, in their order."""
    losses, tokens = np.zeros(40), np.zeros(40, dtype=np.int64)
    asked = scorer(positions_at_once)
    for numbers in asked.batches():
        assert (tokens[numbers] == 0).all()
        losses[numbers], tokens[numbers] = asked.score(numbers)
    return (losses / tokens).tolist(), tokens.tolist()


@torch.no_grad()
def one_by_one() -> tuple[list[float], list[int]]:
    """The obvious way: one caption after the other, each token's probability looked up."""
    means, counts = list[float](), list[int]()
    for number in range(40):
        words = CAPTIONS.tokens(number).tolist()[: T + 1 - P]
        ids = torch.tensor([[IMAGE] * P + words])
        chances = BUILT(ids[:, :-1], features=FEATURES[number : number + 1]).double().softmax(-1)
        nats = [-chances[0, P - 1 + place, word].log().item() for place, word in enumerate(words)]
        means.append(sum(nats) / len(nats))
        counts.append(len(nats))
    return means, counts


@pytest.mark.parametrize("positions_at_once", [1, 60, 333, 1 << 13])
def test_scores_are_those_of_each_caption_alone(positions_at_once: int) -> None:
    means, counts = scored(positions_at_once)
    expected, expected_counts = one_by_one()
    assert counts == expected_counts
    assert means == pytest.approx(expected, abs=TOLERANCE)
    assert max(expected) - min(expected) > 100 * TOLERANCE


def test_a_score_depends_on_the_image() -> None:
    numbers = np.arange(40)
    own, _ = scorer(1 << 13).score(numbers)
    shuffled = Scorer(
        model=BUILT,
        items=ITEMS,
        features=lambda indices: FEATURES[torch.from_numpy(indices[::-1].copy())],
        execution=Execution(),
        positions_at_once=1 << 13,
    )
    other, _ = shuffled.score(numbers)
    assert np.abs(own - other).max() > 100 * TOLERANCE


def test_forward_passes_stay_below_their_size_and_begin_with_the_longest() -> None:
    lengths = np.minimum(CAPTIONS.lengths + P, T + 1)
    batches = list(scorer(60).batches())
    assert sorted(np.concatenate(batches).tolist()) == list(range(40))
    assert all(len(numbers) * lengths[numbers].max() <= 60 for numbers in batches)
    longest = [int(lengths[numbers].max()) for numbers in batches]
    assert longest == sorted(longest, reverse=True)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=30).flatmap(
        lambda values: st.tuples(st.just(values), st.integers(0, len(values)))
    )
)
def test_the_lowest_are_kept_and_of_equal_ones_the_first(case: tuple[list[int], int]) -> None:
    values, count = case
    kept = least_surprising(np.array(values, dtype=np.float64), count)
    ranked = sorted(range(len(values)), key=lambda number: (values[number], number))
    assert np.flatnonzero(kept).tolist() == sorted(ranked[:count])


@pytest.mark.parametrize(
    ("n", "keep", "count"), [(40, 0.2, 8), (10, 0.25, 2), (10, 0.35, 4), (1000, 0.001, 1)]
)
def test_the_share_that_is_kept_is_rounded(n: int, keep: float, count: int) -> None:
    assert kept_count(n, keep, "captions") == count


def test_a_share_of_less_than_half_a_caption_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        kept_count(40, 0.01, "captions")
    assert caught.value.where == "keep"
