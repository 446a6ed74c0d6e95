"""Which steps would harm a model: judged by the steps before them, as `Guard` declares.

The loss and gradient norm of the last good steps are part of a checkpoint, so that a run which was
stopped judges as one that was not.
"""

import math
from collections import deque
from collections.abc import Iterable
from statistics import fmean, stdev

from orchestrator.spec.guard import Guard

Recent = tuple[tuple[float, float], ...]
"""Loss and gradient norm of good steps, oldest first."""


class Judge:
    """Judges one step after the other."""

    def __init__(self, guard: Guard, recent: Iterable[tuple[float, float]] = ()) -> None:
        """Begin after some good steps.

        Args:
            guard: what a bad step is.
            recent: the good steps before, oldest first.
        """
        self._guard = guard
        self._recent = deque(recent, maxlen=guard.window)

    @property
    def recent(self) -> Recent:
        """The good steps that the next one is judged by; none where no spike is looked for."""
        return tuple(self._recent)

    def fault(self, loss: float, norm: float) -> str | None:
        """Return what is wrong with a step, for people; a good one is remembered.

        Args:
            loss: nats per supervised target of the whole batch.
            norm: global L2 norm of its gradient, before clipping.
        """
        for name, value in (("loss", loss), ("gradient's norm", norm)):
            if not math.isfinite(value):
                return f"the {name} is {value}"
        if self._guard.spike_sigmas is None:
            return None
        if len(self._recent) >= self._guard.window // 2:
            losses, norms = zip(*self._recent, strict=True)
            for name, value, before in (("loss", loss, losses), ("gradient's norm", norm, norms)):
                highest = fmean(before) + self._guard.spike_sigmas * stdev(before)
                if value > highest:
                    return f"the {name} of {value:g} is a spike, above {highest:g}"
        self._recent.append((loss, norm))
        return None
