"""Whose script scores the answers, where published ones differ."""

from enum import StrEnum


class Rule(StrEnum):
    """Names of published scoring rules; `benchmarks.json` may name one for a benchmark."""

    VLM_EVALUATION = "vlm-evaluation"
    """As vlm-evaluation scores it (github.com/TRI-ML/vlm-evaluation)."""
    OFFICIAL = "official"
    """As the data set's own script scores it."""
