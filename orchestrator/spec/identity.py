"""Stable names for runs and for made data. Pure.

A run's name is a hash of canonical JSON: its stage and every value of its config that is not the
field's default. So a field added later, whose default is what was always done, renames nothing;
a default that changes meaning raises `IDENTITY_VERSION`, and a test holds the defaults.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from json.encoder import encode_basestring_ascii as _quoted
from math import isfinite
from typing import cast

from orchestrator.spec.codec import Plain, float_fields
from orchestrator.spec.model import ModelConfig, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.run import STAGE_FUNCTIONS, RunConfig, Stage, stage_of
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import SuiteConfig

IDENTITY_VERSION = 2
"""Raise when a field or a default changes meaning: every `run_id` then changes, on purpose."""

RUN_ID_DIGITS = 12
"""48 bits: a sweep of 10,000 runs collides with probability below 1e-6."""

_SHARED = (ModelConfig, VisionConfig, OptimizerConfig, DataSource, SuiteConfig)
"""Parts that many runs of a study hold; a `Namer` writes each once."""


def canonical_json(value: Plain) -> str:
    """Write plain values the same way in every process: sorted keys, no spaces, no NaN.

    Raises:
        ValueError: for NaN or an infinite number.
    """
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))


def digest(value: Plain) -> str:
    """Name plain values by their content."""
    return _digest(canonical_json(value))


def run_id(config: RunConfig, function: str | None = None) -> str:
    """Name a run by its content, the same in every process and on every machine.

    Args:
        config: what decides the result.
        function: dotted name of the stage's function; one that is not the project's own gives
            other results, so it gives another name.
    """
    stage = stage_of(config)
    return Namer({} if function is None else {stage: function}).run_id(config)


class Namer:
    """Names the runs of one study; what many runs share is written once."""

    def __init__(self, functions: Mapping[Stage, str]) -> None:
        self._functions = {
            stage: function
            for stage, function in functions.items()
            if function != STAGE_FUNCTIONS[stage]
        }
        self._written: dict[int, tuple[object, str]] = {}  # by id(); holds what it names alive

    def run_id(self, config: RunConfig) -> str:
        """Name a run by its content.

        Raises:
            TypeError: for a value that has no canonical form.
            ValueError: for NaN or an infinite number.
        """
        stage = stage_of(config)
        function = self._functions.get(stage)
        named = "" if function is None else f',"function":{canonical_json(function)}'
        text = self._text(config)
        return _digest(
            f'{{"config":{text}{named},"stage":"{stage.value}","version":{IDENTITY_VERSION}}}'
        )

    def _text(self, value: object) -> str:
        """Write a value as canonical JSON, defaults of dataclasses left out."""
        kind = type(value)
        if kind is str:
            return _quoted(cast(str, value))
        if kind is int:
            return str(value)
        if kind in _SHARED:
            known = self._written.get(id(value))
            if known is None:
                known = self._written[id(value)] = (value, self._object(value))
            return known[1]
        if kind is tuple:
            return f"[{','.join(map(self._text, cast(tuple[object, ...], value)))}]"
        if kind is float and isfinite(cast(float, value)):
            return repr(cast(float, value) + 0.0)  # there is one zero
        if isinstance(value, StrEnum):
            return _quoted(value.value)
        if value is None or isinstance(value, bool | float):
            return canonical_json(value)
        if is_dataclass(value) and not isinstance(value, type):
            return self._object(value)
        raise TypeError(f"{value!r} of type {kind.__name__} has no canonical form")

    def _object(self, value: object) -> str:
        parts: list[str] = []
        for name, default, is_float in _named_fields(type(value)):
            item: object = getattr(value, name)
            if item == default:
                continue
            if is_float and isinstance(item, int):
                item = float(item)
            parts.append(f'"{name}":{self._text(item)}')
        return f"{{{','.join(parts)}}}"


@cache
def _named_fields(kind: type) -> tuple[tuple[str, object, bool], ...]:
    """Return each field's name, default and whether it is declared float, sorted by name."""
    defaults = {field.name: field.default for field in fields(kind)}  # MISSING equals nothing
    return tuple(
        (name, defaults.get(name, MISSING), is_float)
        for name, is_float in sorted(float_fields(kind))
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:RUN_ID_DIGITS]
