"""Features of images from two sources, numbered one after the other.

Shapes in comments: M images asked for, P patches, F feature width.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.training.features import Features


@dataclass(frozen=True, slots=True, eq=False)
class JoinedFeatures:
    """The images of one source, and those of another counted on from them."""

    first: Features
    second: Features
    count: int
    """Images of the first source."""

    def __call__(self, indices: NDArray[np.int64]) -> Tensor:
        """Ask each source for its own: (M,) -> (M, P, F)."""
        is_second = indices >= self.count
        if not is_second.any():
            return self.first(indices)
        if is_second.all():
            return self.second(indices - self.count)
        own, other = self.first(indices[~is_second]), self.second(indices[is_second] - self.count)
        joined = own.new_empty((len(indices), *own.shape[1:]))  # (M, P, F)
        places = torch.from_numpy(is_second)
        joined[~places], joined[places] = own, other
        return joined
