"""Stable names for runs and for made data. Pure."""

import hashlib
import json
from functools import cache

from orchestrator.spec.codec import Plain, encode
from orchestrator.spec.run import STAGE_FUNCTIONS, RunConfig, Stage, stage_of

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
def run_id(config: RunConfig, function: str | None = None) -> str:
    """Name a run by its content, the same in every process and on every machine.

    Args:
        config: what decides the result.
        function: dotted name of the stage's function; one that is not the project's own gives
            other results, so it gives another name.
    """
    return content_name(stage_of(config), encode(config), function)


def content_name(stage: Stage, config: Plain, function: str | None) -> str:
    """Name a run by its content as plain values, such as those read from `run.json`."""
    named: dict[str, Plain] = {
        "version": IDENTITY_VERSION,
        "stage": stage.value,
        "config": config,
    }
    if function not in (None, STAGE_FUNCTIONS[stage]):
        named["function"] = function
    return digest(named)
