"""The Modality Integration Rate against a plain restatement, and where its value is known."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from models.evaluation.modality_gap import (
    Term,
    frechet_distance,
    integration_error,
    integration_rate,
    layer_distance,
    without_outliers,
)

Array = npt.NDArray[np.float64]


def drawn(n: int, width: int, seed: int, shift: float = 0.0) -> Tensor:
    """Draw tokens whose coordinates go together."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=generator, dtype=torch.float64)
    return torch.randn(n, width, generator=generator, dtype=torch.float64) @ mixing + shift


def with_medians(tokens: Array) -> Array:
    """Replace outliers by the paper's words."""
    lengths = np.array([math.hypot(*row) for row in tokens])
    middle = np.sort(lengths)[(len(lengths) - 1) // 2]
    spread = math.sqrt(sum((lengths - lengths.mean()) ** 2) / (len(lengths) - 1))
    median = np.sort(tokens, axis=0)[(len(tokens) - 1) // 2]
    return np.array(
        [
            median if abs(length - middle) > 3 * spread else row
            for row, length in zip(tokens, lengths, strict=True)
        ]
    )


def plainly(vision: Array, text: Array) -> float:
    """Return a layer's term by the paper's words: square root of the product of covariances."""
    scale = 1 / np.mean([math.hypot(*row) for row in text])
    one, other = with_medians(scale * vision), with_medians(scale * text)
    first, second = np.cov(one.T), np.cov(other.T)
    root = sqrtm(first @ second).real
    apart = one.mean(0) - other.mean(0)
    return float(apart @ apart + np.trace(first) + np.trace(second) - 2 * np.trace(root))


def weighed(vision: Array, text: Array, weights: Sequence[Array]) -> float:
    """Return a layer's term where tokens count as often as they weigh; outliers are those of equal
    weights. The trace of the root is the nuclear norm of all products of centred tokens.
    """
    scale = 1 / np.average(np.linalg.norm(text, axis=1), weights=weights[1])
    means: list[Array] = []
    centred: list[Array] = []
    for tokens, weight in zip((vision, text), weights, strict=True):
        kept = scale * with_medians(tokens)
        means.append(np.average(kept, axis=0, weights=weight))
        share = weight / weight.sum() * len(kept) / (len(kept) - 1)
        centred.append(np.sqrt(share)[:, None] * (kept - means[-1]))
    apart = means[0] - means[1]
    spread = sum(float(np.square(some).sum()) for some in centred)
    return float(apart @ apart + spread - 2 * np.linalg.norm(centred[0] @ centred[1].T, "nuc"))


@pytest.mark.parametrize("seed", range(5))
def test_a_layers_distance_is_that_of_a_plain_restatement(seed: int) -> None:
    vision, text = drawn(400, 12, seed, shift=2.0), drawn(251, 12, seed + 10)
    vision[3] *= 40  # beyond three standard deviations
    text[:2] *= 30
    found = layer_distance(vision, text).value
    assert found == pytest.approx(plainly(vision.numpy(), text.numpy()), rel=1e-9)
    whole = frechet_distance(vision, text).value / float(text.norm(dim=-1).mean()) ** 2
    assert abs(found - whole) > 0.01 * found  # outliers matter here


@pytest.mark.parametrize(("numbers", "width"), [((40, 31), 6), ((9, 7), 40), ((30, 11), 16)])
def test_slopes_are_those_of_weights_that_change_a_little(
    numbers: tuple[int, int], width: int
) -> None:
    vision, text = drawn(numbers[0], width, 0, shift=1.0), drawn(numbers[1], width, 1)
    vision[3] *= 9  # an outlier, where there are enough others
    text[2] *= 9
    found = layer_distance(vision, text)
    ones = [np.ones(n) for n in numbers]
    assert weighed(vision.numpy(), text.numpy(), ones) == pytest.approx(found.value, rel=1e-9)
    for kind, slopes in enumerate(found.slopes):
        assert float(slopes.sum()) == pytest.approx(0, abs=1e-9)
        for place, slope in enumerate(slopes.tolist()):
            sides: list[float] = []
            for step in (1e-5, -1e-5):
                weights = [one.copy() for one in ones]
                weights[kind][place] += step
                sides.append(weighed(vision.numpy(), text.numpy(), weights))
            assert slope == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-5, abs=1e-7)


def of_captions(n: int, rng: np.random.Generator) -> tuple[Term, Term]:
    """Draw captioned images, whose tokens are alike within a caption, behind two layers."""
    numbers = rng.integers(2, 9, size=n)
    owners = [np.repeat(np.arange(n), 5), np.repeat(np.arange(n), numbers)]
    terms: list[Term] = []
    for stretch in (1.0, 2.0):
        tokens = [
            torch.from_numpy(
                rng.normal(size=(len(own), 6)) * np.linspace(0.5, stretch, 6)
                + 0.7 * rng.normal(size=(n, 6))[own]
                + shift
            )
            for own, shift in zip(owners, (0.4, 0.0), strict=True)
        ]
        seen, read = (torch.from_numpy(own) for own in owners)
        terms.append(layer_distance(*tokens).by_sample(seen, read, n))
    return terms[0], terms[1]


def test_the_error_is_how_much_the_rate_varies_over_samples_of_captions() -> None:
    rng = np.random.default_rng(0)
    drawn = [of_captions(60, rng) for _ in range(300)]
    rates = [integration_rate(terms) or math.nan for terms in drawn]
    errors = [integration_error(terms) or math.nan for terms in drawn]
    # 300 draws know their standard deviation to 4 %.
    assert np.mean(errors) == pytest.approx(np.std(rates, ddof=1), rel=0.12)
    assert np.std(errors) < 0.2 * np.mean(errors)


def test_one_sample_has_no_error() -> None:
    assert integration_error([Term(1.0, np.zeros(1))]) is None


def test_equal_tokens_are_at_no_distance_and_have_no_rate() -> None:
    tokens = drawn(300, 16, 0)
    assert layer_distance(tokens, tokens).value == pytest.approx(0, abs=1e-12)
    terms = [Term(0.0, np.zeros(3))] * 2
    assert integration_rate(terms) is integration_error(terms) is None


def test_a_shift_costs_its_squared_length() -> None:
    tokens = drawn(300, 16, 0)
    shift = torch.linspace(-1, 2, 16, dtype=torch.float64)
    expected = float(shift.square().sum())
    assert frechet_distance(tokens, tokens + shift).value == pytest.approx(expected, rel=1e-9)


def test_a_scaling_costs_the_spread_of_the_difference() -> None:
    # Covariances C and 9 C: tr(C + 9 C - 2 * 3 C) = 4 tr C; means m and 3 m are 4 |m|^2 apart.
    tokens = drawn(300, 16, 1, shift=1.0)
    spread = float(tokens.var(0).sum() + tokens.mean(0).square().sum())
    assert frechet_distance(tokens, 3 * tokens).value == pytest.approx(4 * spread, rel=1e-9)


def test_diagonal_covariances_are_compared_by_standard_deviations() -> None:
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    one, other = corners * torch.tensor([1.0, 4.0]), corners * torch.tensor([3.0, 2.0])
    # Variances 4/3 (1, 16) and 4/3 (9, 4): 4/3 ((1 - 3)^2 + (4 - 2)^2).
    assert frechet_distance(one, other).value == pytest.approx(4 / 3 * 8, rel=1e-12)


def test_fewer_tokens_than_dimensions_are_measured_exactly() -> None:
    tokens = drawn(9, 40, 0)
    assert frechet_distance(tokens, tokens).value == pytest.approx(0, abs=1e-9)
    turned = torch.zeros(3, 40, dtype=torch.float64)
    turned[:, :2] = torch.tensor([[0.0, 0.0], [0.0, 3.0], [0.0, -3.0]])
    across = torch.roll(turned, 5, dims=1)
    # Variances 9 along one direction each, at right angles: nothing is shared.
    assert frechet_distance(turned, across).value == pytest.approx(18, rel=1e-12)
    assert frechet_distance(turned, torch.zeros(4, 40)).value == pytest.approx(9, rel=1e-12)


def test_the_scale_of_the_whole_model_is_taken_out() -> None:
    vision, text = drawn(200, 8, 0, shift=1.0), drawn(200, 8, 1)
    found = layer_distance(vision, text).value
    assert layer_distance(7 * vision, 7 * text).value == pytest.approx(found, rel=1e-9)
    assert layer_distance(7 * vision, text).value > found


def test_only_far_lengths_are_replaced_by_the_lower_median_token() -> None:
    tokens = torch.stack([torch.arange(1.0, 41.0) % 7, torch.arange(40.0) % 5], dim=1)
    tokens[11] = torch.tensor([1000.0, -1000.0])
    found = without_outliers(tokens)
    lower = torch.tensor([sorted(column)[19] for column in tokens.T.tolist()])
    assert torch.equal(found[11], lower)
    assert torch.equal(found[:11], tokens[:11])
    assert torch.equal(found[12:], tokens[12:])


@pytest.mark.parametrize(("n", "is_far"), [(8, False), (10, True)])
def test_far_is_three_deviations_of_a_sample_from_the_median(n: int, is_far: bool) -> None:
    # One of n at 1, the others at 0: the sample's deviation is 1 / sqrt(n), so that 1 is far from
    # the median from 10 on (from the mean, 1 - 1/n, from 11; by the deviation of all, from 8).
    tokens = torch.zeros(n, 1, dtype=torch.float64)
    tokens[0] = 1
    assert bool(without_outliers(tokens)[0] == 0) == is_far


def test_tokens_of_one_length_are_all_kept() -> None:
    tokens = torch.tensor([[3.0, 4.0], [4.0, 3.0], [5.0, 0.0], [0.0, -5.0]])
    assert torch.equal(without_outliers(tokens), tokens)


def test_the_rate_is_the_decadic_logarithm_of_the_sum() -> None:
    terms = [Term(distance, np.zeros(3)) for distance in (30.0, 70.0, math.nan)]
    assert integration_rate(terms[:2]) == pytest.approx(2)
    assert integration_rate(terms) is integration_error(terms) is None


def test_tokens_that_are_no_numbers_have_no_distance() -> None:
    tokens = drawn(20, 4, 0)
    broken = tokens.clone()
    broken[0, 0] = math.inf
    for found in (layer_distance(tokens, broken), layer_distance(broken, tokens)):
        assert math.isnan(found.value)
        assert all(bool(slopes.isnan().all()) for slopes in found.slopes)
