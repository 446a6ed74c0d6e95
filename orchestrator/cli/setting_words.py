"""Values of settings as people write them: `3e-4`, `4,300,000`, `[a, b]`, and `-` for none."""

from decimal import Decimal

from orchestrator.plan.compare.recipe import Leaf
from orchestrator.spec.codec import Plain

_SMALL = 1e-2
"""Numbers below are written with a power of ten, as learning rates are."""


def said(value: Leaf | Plain) -> str:
    """Return a value in words; different values of one kind read differently."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(said(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {said(item)}' for key, item in value.items())}}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{Decimal(repr(value)).normalize():e}" if 0 < abs(value) < _SMALL else repr(value)
    return "-" if value is None else value


def plain(value: Leaf) -> Plain:
    """Return a value as JSON holds it."""
    return [plain(item) for item in value] if isinstance(value, tuple) else value
