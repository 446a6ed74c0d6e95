"""A fit that shows itself: as text in a terminal, as a table in a notebook. Pure."""

from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from analysis.fits.record import Fit, Value
from orchestrator.errors import FitError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ShownFit(Fit):
    """A `Fit` with a text and an HTML form, and predictions for the rows of a frame."""

    def at(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame's inputs with the law's `predicted` value there, and `low` and `high`.

        The interval is that of the curve, not the scatter of single runs about it; it is absent
        where the fit was made without intervals.

        Raises:
            FitError: if the frame lacks an input of the law.
        """
        names = list(self.law.inputs)
        missing = [name for name in names if name not in frame]
        if missing:
            raise FitError(
                f"the frame has no column {', '.join(missing)}",
                where=f"inputs of the {self.law.name}",
                mend=f"give a frame with {', '.join(names)}",
            )
        inputs = frame[names].to_numpy(dtype=np.float64)
        band = self.band(inputs)
        low, high = (np.nan, np.nan) if band is None else band
        return frame[names].assign(predicted=self.predict(inputs), low=low, high=high)

    def __repr__(self) -> str:
        rows = [(item.name, f"{item.value:.4g}", _interval(item)) for item in self._shown()]
        wide = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{name:<{wide[0]}}  {v:>{wide[1]}}  {i}".rstrip() for name, v, i in rows]
        doubts = [f"doubt: {line}" for line in self._doubts()]
        return "\n".join([f"{self.law.name}: {self.law.equation}", *lines, self._how(), *doubts])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{escape(item.name)}</th>'
            f"<td>{item.value:.4g}</td><td>{escape(_interval(item))}</td></tr>"
            for item in self._shown()
        )
        level = "" if self.interval is None else f"{self.interval.level:.0%} interval"
        doubts = "".join(f"<li>{escape(line)}</li>" for line in self._doubts())
        flags = f"<p>Doubts:</p><ul>{doubts}</ul>" if doubts else "<p>No flags.</p>"
        return (
            f"<div><p><strong>{escape(self.law.name)}</strong>: "
            f"<code>{escape(self.law.equation)}</code><br>"
            f"<small>{escape(self.law.source)}</small></p>"
            f"<table><thead><tr><th>parameter</th><th>value</th><th>{level}</th></tr></thead>"
            f"<tbody>{rows}</tbody></table><p><small>{escape(self._how())}</small></p>{flags}</div>"
        )

    def _shown(self) -> tuple[Value, ...]:
        return (*self.parameters, *self.derived)

    def _how(self) -> str:
        parts = [self.estimator.name, f"{len(self.used)} points used, {len(self.dropped)} left out"]
        if self.interval is not None:
            parts.append(f"{self.interval.method}, {self.interval.replicates} replicates")
        parts.append(f"residuals {self.residuals.rms:.3g} (root mean square)")
        agree = self.certificate
        parts.append(f"{agree.agreeing} of {agree.starts} starts agree")
        return "; ".join(parts)

    def _doubts(self) -> list[str]:
        return [f"{flag.kind.value}: {flag.detail}" for flag in self.flags]


def _interval(item: Value) -> str:
    return "" if item.low is None else f"[{item.low:.4g}, {item.high:.4g}]"
