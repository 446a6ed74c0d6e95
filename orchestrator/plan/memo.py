"""Remember what was made from the very same objects. Pure.

The points of a study share most of their settings, as the same objects. Comparing them by identity
is what makes large studies quick to plan: hashing a nested dataclass takes longer than its part of
the plan. Equal objects that are not the same are made again, and merged by `run_id` later.
"""

from collections.abc import Callable
from typing import TypeVar, cast

T = TypeVar("T")


class Memo:
    """Values by the identity of what they were made from; holds both alive."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[tuple[object, ...], object]] = {}

    def once(self, make: Callable[[], T], kind: str, *parts: object) -> T:
        """Return what `make` gave when it was last asked for with these very parts.

        Args:
            make: makes the value, from nothing but `parts` and what never changes.
            kind: tells apart values that are made from the same parts.
            parts: what the value depends on.
        """
        key = (kind, *map(id, parts))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (parts, make())
        return cast(T, known[1])
