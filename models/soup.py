"""Model soups: the mean of the weights of models of one shape. Pure.

Wortsman et al. 2022 (arXiv:2203.05482). Sums are fp32, and members are added in a stated order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from orchestrator.errors import RecordError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightSum:
    """The sum of the weights of some models. It never changes; `plus` gives another one."""

    fixed: frozenset[str]
    """Names of tensors that are no weights, and must be equal in all models."""
    tensors: Mapping[str, Tensor]
    """Sums in fp32 by name; of the fixed ones, the value. Empty while there is no member."""
    members: int = 0
    """Models that were added."""

    def plus(self, weights: Mapping[str, Tensor], *, where: str) -> "WeightSum":
        """Add a model of the same names and shapes.

        Args:
            weights: tensors by name.
            where: what they were read from, for messages.

        Raises:
            RecordError: if it differs in a tensor that is fixed.
        """
        added: dict[str, Tensor] = {}
        for name, tensor in weights.items():
            before = self.tensors.get(name)
            if name in self.fixed or not tensor.is_floating_point():
                _check_equal(name, before, tensor, where)
                added[name] = tensor
            else:
                added[name] = tensor.float() if before is None else before + tensor.float()
        return WeightSum(fixed=self.fixed, tensors=added, members=self.members + 1)

    def mean(self) -> dict[str, Tensor]:
        """Return the mean of the models that were added; of a single one, its weights."""
        return {
            name: tensor
            if name in self.fixed or not tensor.is_floating_point()
            else tensor / self.members
            for name, tensor in self.tensors.items()
        }


def empty_sum(model: nn.Module) -> WeightSum:
    """Return the sum of no models of this shape: buffers and frozen parameters are fixed."""
    frozen = (name for name, weight in model.named_parameters() if not weight.requires_grad)
    buffers = (name for name, _ in model.named_buffers())
    return WeightSum(fixed=frozenset([*frozen, *buffers]), tensors={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One member of a soup, as it was tried."""

    member: int
    """Its place in the list of members, from 0."""
    score: float | None
    """Its own score; None where all are taken unasked."""
    soup_score: float | None
    """Score of the average of those taken before and this one; for the first, its own."""
    is_taken: bool
    """Whether it is part of the soup."""


def greedy_soup(
    scores: Sequence[float], score_of: Callable[[tuple[int, ...]], float]
) -> tuple[Tried, ...]:
    """Choose the members of a soup: from the best one on, each that does not lower the score.

    Args:
        scores: of each member alone; members of equal scores are tried in their order.
        score_of: measures the average of these members, which are named in the order of taking.

    Returns:
        All members in the order in which they were tried.
    """
    best, *others = sorted(range(len(scores)), key=lambda member: -scores[member])
    held, taken = scores[best], (best,)
    tried = [Tried(member=best, score=held, soup_score=held, is_taken=True)]
    for member in others:
        found = score_of((*taken, member))
        if found >= held:
            held, taken = found, (*taken, member)
        is_taken = member in taken
        own = scores[member]
        tried.append(Tried(member=member, score=own, soup_score=found, is_taken=is_taken))
    return tuple(tried)


def _check_equal(name: str, before: Tensor | None, tensor: Tensor, where: str) -> None:
    if before is not None and not torch.equal(before, tensor):
        raise RecordError(
            f"{name}, which no training moves, differs from that of the members before",
            where=where,
            mend="average models that go back to the same one",
        )
