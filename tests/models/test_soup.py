"""Sums of weights and the greedy choice among members."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models.soup import WeightSum, empty_sum, greedy_soup
from orchestrator.errors import RecordError


class Tiny(nn.Module):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((2,), scale))
        self.frozen = nn.Parameter(torch.full((3,), 7.0), requires_grad=False)
        self.steps: torch.Tensor
        self.register_buffer("steps", torch.tensor(5))


def total(*scales: float) -> WeightSum:
    found = empty_sum(Tiny())
    for scale in scales:
        found = found.plus(Tiny(scale).state_dict(), where="here")
    return found


def test_the_mean_is_of_the_weights_and_leaves_what_is_fixed() -> None:
    mean = total(1.0, 2.0, 6.0).mean()
    assert mean["weight"].tolist() == [3.0, 3.0]
    assert mean["frozen"].tolist() == [7.0] * 3
    assert mean["steps"].item() == 5
    assert mean["steps"].dtype == torch.int64


def test_a_single_member_is_its_own_mean_to_the_bit() -> None:
    scale = torch.rand(1, generator=torch.Generator().manual_seed(0)).item()
    assert torch.equal(total(scale).mean()["weight"], Tiny(scale).weight)


def test_weights_of_half_precision_are_added_in_full() -> None:
    halves = {"weight": torch.tensor([1.0, 1.0], dtype=torch.bfloat16)}
    found = empty_sum(Tiny()).plus(halves, where="a")
    for _ in range(511):  # in bfloat16 the sum would stand still at 256
        found = found.plus(halves, where="b")
    assert found.mean()["weight"].tolist() == [1.0, 1.0]
    assert found.tensors["weight"].dtype == torch.float32


def test_adding_leaves_the_sum_before_as_it_was() -> None:
    before = total(1.0)
    before.plus(Tiny(5.0).state_dict(), where="here")
    assert before.mean()["weight"].tolist() == [1.0, 1.0]
    assert before.members == 1


@pytest.mark.parametrize("name", ["frozen", "steps"])
def test_what_is_fixed_must_be_equal(name: str) -> None:
    other = Tiny().state_dict()
    other[name] = other[name] + 1
    with pytest.raises(RecordError) as caught:
        total(1.0).plus(other, where="the second")
    assert caught.value.what.startswith(name)
    assert caught.value.where == "the second"


@given(st.lists(st.integers(0, 3), min_size=2, max_size=6))
def test_a_greedy_soup_tries_from_the_best_on_and_never_falls(scores: list[int]) -> None:
    asked = list[tuple[int, ...]]()

    def score_of(members: tuple[int, ...]) -> float:
        asked.append(members)
        return sum(scores[member] * (-1) ** member for member in members)

    tried = greedy_soup(scores, score_of)
    order = [one.member for one in tried]
    assert order == sorted(range(len(scores)), key=lambda member: (-scores[member], member))
    assert tried[0].is_taken
    held, taken = float(scores[order[0]]), [order[0]]
    for one, members in zip(tried[1:], asked, strict=True):
        assert members == (*taken, one.member)
        assert one.is_taken == (one.soup_score is not None and one.soup_score >= held)
        if one.is_taken:
            held, taken = float(one.soup_score or 0), [*taken, one.member]


def test_a_member_that_changes_nothing_is_taken() -> None:
    tried = greedy_soup([0.5, 0.5], lambda _: 0.5)
    assert [one.is_taken for one in tried] == [True, True]
