"""Decoding one sequence of token shards, for readers that go on after a damaged one."""

import gzip
import json
import zlib
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from models.data.tars import Sample

_SUFFIXES = ("json", "txt", "json.gz")


def decoded_ids(sample: Sample) -> NDArray[np.int64] | str:
    """Return the ids of a sequence, (T + 1,), or why there are none."""
    suffix = next((suffix for suffix in _SUFFIXES if suffix in sample.fields), None)
    if suffix is None:
        return f"sample {sample.key} has {', '.join(sorted(sample.fields))}, no list of ids"
    try:
        content = sample.fields[suffix]
        values: object = json.loads(gzip.decompress(content) if suffix[-2:] == "gz" else content)
        ids: NDArray[Any] = np.array(cast(list[object], values))
    except (ValueError, TypeError, OSError, EOFError, zlib.error, RecursionError) as error:
        return f"sequence {sample.key} cannot be read ({error})"
    if ids.dtype != np.int64 or ids.ndim != 1 or ids.min() < 0:
        return f"sequence {sample.key} is no list of ids from 0 up"
    return ids
