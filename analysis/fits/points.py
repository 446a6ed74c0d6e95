"""The points a law is fitted to, and those left out with their reason. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from analysis.laws.law import Array
from orchestrator.errors import FitError

_LOG_OF_ZERO = "an input is 0, of which the law takes the logarithm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A point that was left out."""

    label: str
    """Its `run_id`, or its row in a published table."""
    reason: str
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """What was measured where: n points, observations above 0 and inputs at least 0.

    Raises:
        FitError: if the lengths differ or a value is not positive and finite.
    """

    inputs: Array
    """(n, inputs of the law)."""
    observed: Array
    """(n,)."""
    labels: tuple[str, ...]
    """`run_id` of each point."""
    clusters: tuple[str, ...] | None = None
    """Points of equal key share their noise and are resampled together; None if independent."""
    clustered_by: str | None = None
    """What the keys are values of, such as `params`; None if nobody said."""
    dropped: tuple[Dropped, ...] = ()
    """What was left out before."""

    def __post_init__(self) -> None:
        n = len(self.observed)
        keys = self.labels if self.clusters is None else self.clusters
        if self.inputs.ndim != 2 or not n == len(self.inputs) == len(self.labels) == len(keys):
            raise FitError(
                f"{self.inputs.shape} inputs, {n} observations and {len(self.labels)} labels",
                "points",
                "give one row of inputs, one value and one label for each point",
            )
        values = np.column_stack([self.inputs, self.observed])
        if not (np.isfinite(values).all() and (values >= 0).all() and (self.observed > 0).all()):
            raise FitError(
                "a point is not a positive number",
                "points",
                "make the points with `clean_points`, which leaves such ones out by name",
            )

    def __len__(self) -> int:
        return len(self.observed)

    def thinned(self, most: int) -> Self:
        """Return at most so many points, evenly over the order of their observations."""
        if len(self) <= most:
            return self
        order = np.argsort(self.observed, kind="stable")
        places = np.linspace(0, len(self) - 1, most).astype(np.int64)
        chosen: NDArray[np.int64] = np.sort(order[places])
        rows: list[int] = chosen.tolist()
        return type(self)(
            inputs=self.inputs[chosen],
            observed=self.observed[chosen],
            labels=tuple(self.labels[i] for i in rows),
        )

    def subset(self, keep: NDArray[np.bool_], reason: str) -> Self:
        """Return the points where `keep` is true; the others are recorded as dropped."""
        left = [
            Dropped(label=label, reason=reason)
            for label, kept in zip(self.labels, keep, strict=True)
            if not kept
        ]
        return type(self)(
            inputs=self.inputs[keep],
            observed=self.observed[keep],
            labels=_chosen(self.labels, keep),
            clusters=None if self.clusters is None else _chosen(self.clusters, keep),
            clustered_by=self.clustered_by,
            dropped=(*self.dropped, *left),
        )


def clean_points(
    inputs: Array,
    observed: Array,
    labels: Sequence[str],
    clusters: Sequence[str] | None = None,
    *,
    is_zero_allowed: bool | NDArray[np.bool_] = False,
) -> Points:
    """Make points of what can be fitted; a value that is absent or not positive is left out.

    Args:
        inputs: (n, inputs of the law); NaN where absent.
        observed: (n,); NaN where absent.
        labels: n names.
        clusters: n keys, or None.
        is_zero_allowed: whether inputs may be 0, as shares and epochs may; or which, (inputs,).
    """
    values = np.column_stack([inputs, observed])
    absent = np.asarray(np.any(np.isnan(values), axis=1))
    is_zero = np.asarray((inputs == 0) & ~np.asarray(is_zero_allowed)).any(axis=1)
    is_number = np.asarray(np.all(np.isfinite(values) & (values >= 0), axis=1)) & (observed > 0)
    good = is_number & ~is_zero
    reasons = np.where(
        absent,
        "a value is absent",
        np.where(is_number, _LOG_OF_ZERO, "a value is not a positive finite number"),
    )
    return Points(
        inputs=inputs[good],
        observed=observed[good],
        labels=_chosen(labels, good),
        clusters=None if clusters is None else _chosen(clusters, good),
        dropped=tuple(
            Dropped(label=label, reason=str(reason))
            for label, reason, kept in zip(labels, reasons, good, strict=True)
            if not kept
        ),
    )


def _chosen(values: Sequence[str], keep: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(value for value, kept in zip(values, keep, strict=True) if kept)
