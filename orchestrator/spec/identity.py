"""Stable names for runs and for made data. Pure."""

import hashlib
import json
from functools import cache

from orchestrator.spec.codec import Plain, encode
from orchestrator.spec.run import RunConfig, stage_of

IDENTITY_VERSION = 1
"""Raise when a field changes meaning: every `run_id` then changes, on purpose."""

RUN_ID_DIGITS = 12
"""48 bits: a sweep of 10,000 runs collides with probability below 1e-6."""


def canonical_json(value: Plain) -> str:
    """Write plain values the same way in every process: sorted keys, no spaces, no NaN.

    Raises:
        ValueError: for NaN or an infinite number.
    """
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))


def digest(value: Plain) -> str:
    """Name plain values by their content."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:RUN_ID_DIGITS]


@cache
def run_id(config: RunConfig) -> str:
    """Name a run by its content, the same in every process and on every machine."""
    return digest(
        {"version": IDENTITY_VERSION, "stage": stage_of(config).value, "config": encode(config)}
    )
