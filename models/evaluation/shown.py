"""Which image is shown with a question: its own, none, or another's."""

import hashlib
from collections.abc import Iterable

import numpy as np

from orchestrator.errors import DataError
from orchestrator.spec.suite import Images


def shown_images(
    images: Iterable[str], mode: Images, *, seed: int, benchmark: str
) -> dict[str, str | None]:
    """Return, for each image of a benchmark, the one that is shown in its place.

    A permuted benchmark is one random cycle through its images (Sattolo's algorithm), so that no
    image stays in its place. It follows the images, the seed and the benchmark's name alone.

    Raises:
        DataError: if a single image is to be permuted.
    """
    names = sorted(set(images))
    if mode is Images.GIVEN:
        return {name: name for name in names}
    if mode is Images.BLIND:
        return dict.fromkeys(names)
    if len(names) < 2:
        raise DataError(
            f"{len(names)} image cannot be replaced by another",
            benchmark,
            "permute the images of a benchmark with two or more, or ask it blind",
        )
    word = int.from_bytes(hashlib.sha256(benchmark.encode()).digest()[:8])
    rng = np.random.default_rng([seed, word])
    others = list(names)
    for i in range(len(others) - 1, 0, -1):
        j = int(rng.integers(i))
        others[i], others[j] = others[j], others[i]
    return dict(zip(names, others, strict=True))
