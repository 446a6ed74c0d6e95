"""What a fit found, and how far to trust it. Pure."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np

from analysis.fits.estimator import Estimator
from analysis.fits.interval import Ends, ends_of
from analysis.fits.points import Dropped
from analysis.laws.law import Array, Law
from orchestrator.errors import FitError
from orchestrator.spec.codec import Plain


class Warn(StrEnum):
    """What makes a fit doubtful without refusing it."""

    AT_BOUND = "at a bound"
    """A coefficient is 0: the data ask for none of that term."""
    AT_START = "at a start value"
    """An exponent has not left the value where its search began."""
    ONE_RAY = "one ray only"
    """Two inputs rise together at every point, so that their parts of the loss cannot be told
    apart."""
    FEW_POINTS = "few points"
    """Fewer than two points for each parameter."""
    NO_OFFSET = "E near 0"
    """The irreducible part is a negligible share of the lowest observation."""
    WRONG_SIGN = "wrong sign"
    """An exponent is not above 0: the loss does not fall with scale."""
    ILL_CONDITIONED = "ill-conditioned"
    """Some mixture of parameters is all but free."""
    ONE_SIZE = "one size only"
    """An input of the law never varies, so its exponent is not determined."""
    SEVERAL_OPTIMA = "several optima"
    """Another local optimum is nearly as good."""
    FEW_REPLICATES = "few replicates"
    """A part of the bootstrap's replicates could not be fitted."""
    FEW_CLUSTERS = "few clusters"
    """So few clusters that resampling them says little."""
    NO_QUESTIONS = "without questions"
    """The noise of the questions behind the scores was asked for and is not in the intervals."""
    OUTSIDE = "optimum outside"
    """The optimum lies beyond what was measured."""
    SEVERAL_CODES = "several code versions"
    """The fitted runs were not all made by the same code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One doubt."""

    kind: Warn
    """Which."""
    detail: str
    """With its numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A fitted or derived quantity."""

    name: str
    """As in the law's equation."""
    value: float
    """At the optimum, in the law's units."""
    low: float | None = None
    """Lower end of the interval; None where none was asked for, or it cannot be given."""
    high: float | None = None
    """Upper end of the interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a law expects somewhere."""

    value: float
    """The law there."""
    low: float | None
    """Lower end of the curve's interval; None without one."""
    high: float | None
    """Upper end."""
    extrapolation: float
    """How far beyond what was measured (`Fit.extrapolation`); 1 within it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalMethod:
    """How intervals were made."""

    method: str
    """In words, with what was resampled."""
    level: float
    """Coverage aimed at, in (0, 1)."""
    replicates: int
    """Resamples that were fitted."""
    failed: int
    """Resamples that could not be fitted and are left out."""
    ends: Ends = Ends.PERCENTILE
    """How intervals are read from the replicates."""
    clustered_by: str | None = None
    """What the points that were resampled together have in common; None for single points."""
    question_share: float | None = None
    """Share of the scatter about the curve that questions alone would make, where they were drawn
    anew; None where they were not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Why the optimum is believed to be one."""

    objective: float
    """Sum of the estimator's loss over the points."""
    converged: bool
    """Always true: what does not converge is refused."""
    starts: int
    """Starts tried."""
    agreeing: int
    """Starts that ended at this optimum."""
    gap: float | None
    """Objective of the best other optimum above this one, as a share of it; None if all agree."""
    gradient_norm: float
    """Largest component of the gradient over the parameters' curvature, relative; 0 is exact."""
    decrement: float
    """Share of the objective that a further Newton step would take off."""
    condition: float
    """Condition number of the Jacobian with columns of length 1."""
    direction: tuple[tuple[str, float], ...] = ()
    """The mixture of parameters that the points determine least, in units of each parameter's own
    effect: its largest parts, largest first. The squares of all parts add up to 1."""
    at_start: tuple[str, ...] = ()
    """Exponents that no descent moved from where its search began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """How far the points lie from the law, in the estimator's residual."""

    rms: float
    """Root of the mean square."""
    median_absolute: float
    """Half of the points lie nearer."""
    largest: float
    """The largest one by size, with its sign."""
    largest_label: str
    """Whose that is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """A law fitted to points."""

    law: Law
    """What was fitted."""
    estimator: Estimator
    """What was minimised."""
    parameters: tuple[Value, ...]
    """In the order of `law.parameters`."""
    derived: tuple[Value, ...]
    """What follows from them."""
    interval: IntervalMethod | None
    """How the intervals were made; None if none were asked for."""
    used: tuple[str, ...]
    """Labels of the points."""
    dropped: tuple[Dropped, ...]
    """Points left out, with reasons."""
    certificate: Certificate
    """Why to believe the optimum."""
    residuals: Residuals
    """How well it fits."""
    flags: tuple[Flag, ...]
    """What makes it doubtful; empty if nothing is known."""
    fitted_range: tuple[tuple[float, float], ...]
    """Least and greatest value of each of the law's inputs among the points."""
    replicates: Array
    """Parameters of the bootstrap's fits, (replicates, M); (0, M) without intervals."""
    jackknife: Array
    """Parameters without each point or cluster, (left out, M); empty unless BCa asks for them."""

    @property
    def values(self) -> dict[str, float]:
        """Parameters by name."""
        return {item.name: item.value for item in self.parameters}

    def predict(self, inputs: Array) -> Array:
        """Return the law at inputs (n, inputs): (n,)."""
        return self.law.predict(np.array([item.value for item in self.parameters]), inputs)

    def extrapolation(self, inputs: Array) -> Array:
        """Return how far inputs (n, inputs) lie outside the points: (n,).

        The largest over the law's inputs, 1 within what was measured. Of an input whose logarithm
        the law takes, the ratio to the nearest value that was measured: 10 at ten times the largest
        or a tenth of the least. Of any other, which may be 0, the distance from it over the range
        that was measured, plus 1: 2 at 40 % where 0 to 20 % were, as at 60 % where 20 to 40 % were.
        """
        low, high = np.array(self.fitted_range).T
        outside = np.maximum(np.maximum(inputs - high, low - inputs), 0.0)  # (n, inputs)
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.where(outside > 0, 1 + outside / (high - low), 1.0)
            times = np.maximum(1.0, np.maximum(inputs / high, low / inputs))
        return np.asarray(np.where(self.law.may_be_zero, far, times).max(axis=1))

    def prediction(self, inputs: Array) -> tuple[Prediction, ...]:
        """Return predictions at inputs (n, inputs), each with its interval and extrapolation."""
        band = self.band(inputs)
        return tuple(
            Prediction(
                value=float(value),
                low=None if band is None else float(band[0][i]),
                high=None if band is None else float(band[1][i]),
                extrapolation=float(factor),
            )
            for i, (value, factor) in enumerate(
                zip(self.predict(inputs), self.extrapolation(inputs), strict=True)
            )
        )

    def quantity(self, name: str, of: Callable[[Array], Array]) -> Value:
        """Return a quantity that follows from the parameters, with its interval if there are any.

        Replicates in which it does not exist are left out. If they are more than may lie beyond an
        end, there is no interval.

        Args:
            name: what it is called.
            of: parameters (..., M) -> the quantity, (...); no number where it does not exist.
        """
        best = float(of(np.array([item.value for item in self.parameters])))
        if self.interval is None or not len(self.replicates):
            return Value(name=name, value=best)
        drawn = of(self.replicates)
        exists = np.isfinite(drawn)
        if 1 - exists.mean() > (1 - self.interval.level) / 2:
            return Value(name=name, value=best)
        drawn, left_out = drawn[exists], None
        if self.interval.ends is Ends.BCA:
            left_out = of(self.jackknife)
            left_out = left_out[np.isfinite(left_out)]
        low, high = ends_of(drawn, self.interval.level, value=best, jackknife=left_out)
        return Value(name=name, value=best, low=low, high=high)

    def band(self, inputs: Array) -> tuple[Array, Array] | None:
        """Return the interval of the law at inputs (n, inputs), two of (n,); None without one.

        It is the uncertainty of the curve, not the scatter of single runs about it.
        """
        if self.interval is None or not len(self.replicates):
            return None
        tail = (1 - self.interval.level) / 2
        predictions = self.law.predict(self.replicates, inputs)  # (replicates, n)
        low, high = np.quantile(predictions, [tail, 1 - tail], axis=0)
        return low, high

    def plain(self) -> dict[str, Plain]:
        """Return the record as JSON values, without the replicates."""
        parts = {
            "parameters": [asdict(item) for item in self.parameters],
            "derived": [asdict(item) for item in self.derived],
            "interval": None if self.interval is None else asdict(self.interval),
            "dropped": [asdict(item) for item in self.dropped],
            "certificate": asdict(self.certificate),
            "residuals": asdict(self.residuals),
            "fitted_range": {
                name: list(ends)
                for name, ends in zip(self.law.inputs, self.fitted_range, strict=True)
            },
            "flags": [{"kind": flag.kind.value, "detail": flag.detail} for flag in self.flags],
        }
        law = {"name": self.law.name, "equation": self.law.equation, "source": self.law.source}
        return {"law": law, "estimator": self.estimator.name, "run_ids": list(self.used), **parts}  # pyright: ignore[reportReturnType]  (asdict gives plain values)


def refused(error: FitError) -> dict[str, Plain]:
    """Return why something was not fitted, as JSON values."""
    return {"what": error.what, "where": error.where, "mend": error.mend}
