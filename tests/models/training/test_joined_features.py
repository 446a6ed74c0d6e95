"""Images of two sources, each asked of its own."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.training.joined_features import JoinedFeatures

FIRST = torch.arange(5 * 2 * 3.0).view(5, 2, 3)
SECOND = -torch.arange(4 * 2 * 3.0).view(4, 2, 3)


@pytest.mark.parametrize("asked", [[0, 4, 2], [5, 8], [8, 0, 5, 5, 4, 0], [3, 7]])
def test_each_image_has_the_features_of_its_own_source_in_the_order_asked(
    asked: list[int],
) -> None:
    def first(indices: NDArray[np.int64]) -> Tensor:
        return FIRST[torch.from_numpy(indices)]

    def second(indices: NDArray[np.int64]) -> Tensor:
        return SECOND[torch.from_numpy(indices)]

    found = JoinedFeatures(first, second, 5)(np.array(asked))
    assert torch.equal(found, torch.cat((FIRST, SECOND))[asked])
