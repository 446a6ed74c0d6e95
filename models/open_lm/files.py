"""Read files that OpenLM's trainer writes, without running what stands in them."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy._core.multiarray import scalar

from orchestrator.errors import RecordError

_PLAIN: list[Any] = [
    scalar,
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("i8", "i4", "f8", "f4", "?")),
]
"""Numbers of NumPy, as which OpenLM saves learning rates: no code."""


def load(path: Path) -> Mapping[str, object]:
    """Read a checkpoint's top level.

    Raises:
        RecordError: if it is missing, damaged, or holds more than tensors and plain values.
    """
    try:
        with torch.serialization.safe_globals(_PLAIN):
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, pickle.PickleError) as error:
        raise RecordError(
            f"the checkpoint cannot be read ({error})", str(path), "fetch the file again"
        ) from error
    if not isinstance(content, Mapping):
        raise RecordError(
            f"the file holds a {type(content).__name__}, no checkpoint",
            str(path),
            "give a file that OpenLM's trainer wrote",
        )
    return cast(Mapping[str, object], content)
