"""The study's fits, from `fits/*.json`, as the page shows them. Reads files.

A record may lack what another kind of fit has; what it does not say is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from orchestrator.store.files import read_json
from orchestrator.store.layout import StudyFolder

Record = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFit:
    """A fit on the page, or why there is none."""

    name: str
    law: str
    equation: str
    source: str
    selection: str
    """Which points were taken."""
    refusal: str
    """Why it was refused, and how to mend it; empty if it was not."""
    how: str
    """Estimator, points and intervals."""
    level: str
    """Coverage of the intervals; empty without."""
    values: tuple[tuple[str, str, str], ...]
    """Name, value and interval of each parameter, and of what follows from them."""
    checks: tuple[str, ...]
    """Certificate, residuals and back-test, a sentence each."""
    flags: tuple[tuple[str, str], ...]
    """Kind and detail of each doubt."""


def shown_fits(folder: StudyFolder) -> list[ShownFit]:
    """Return every fit of a study, by name.

    Raises:
        RecordError: if a file is damaged.
    """
    return [_shown(path, read_json(path)) for path in sorted(folder.fits.glob("*.json"))]


def _shown(path: Path, record: Record) -> ShownFit:
    law, interval = _part(record, "law"), _part(record, "interval")
    level = _number(interval, "level")
    values = [*_list(record, "parameters"), *_list(record, "derived")]
    return ShownFit(
        name=_text(record, "name") or path.stem,
        law=_text(law, "name"),
        equation=_text(law, "equation"),
        source=_text(law, "source"),
        selection=_text(record, "selection"),
        refusal=_refusal(_part(record, "refusal")),
        how=_how(record, interval),
        level="" if level is None else f"{100 * level:.3g} % interval",
        values=tuple(_value(item) for item in values),
        checks=(*_certificate(record), *_residuals(record), *_backtest(record)),
        flags=tuple((_text(f, "kind"), _text(f, "detail")) for f in _list(record, "flags")),
    )


def _value(item: Record) -> tuple[str, str, str]:
    value, low, high = (_number(item, name) for name in ("value", "low", "high"))
    interval = "" if low is None or high is None else f"[{low:.4g}, {high:.4g}]"
    return _text(item, "name"), "" if value is None else f"{value:.4g}", interval


def _how(record: Record, interval: Record) -> str:
    used, dropped = record.get("run_ids"), record.get("dropped")
    parts = [_text(record, "estimator")]
    if isinstance(used, list):
        parts.append(f"{len(cast(list[object], used))} points used")
    if isinstance(dropped, list):
        parts.append(f"{len(cast(list[object], dropped))} left out")
    if method := _text(interval, "method"):
        replicates = _number(interval, "replicates")
        parts.append(method + ("" if replicates is None else f", {replicates:,.0f} replicates"))
    share = _number(interval, "question_share")
    if share is not None:
        parts.append(f"questions alone make {100 * share:.0f} % of the scatter about the curve")
    return "; ".join(part for part in parts if part)


def _certificate(record: Record) -> list[str]:
    part = _part(record, "certificate")
    agreeing, starts = _number(part, "agreeing"), _number(part, "starts")
    found: list[str] = []
    if agreeing is not None and starts is not None:
        found.append(f"{agreeing:.0f} of {starts:.0f} starts end at this optimum.")
    gradient, condition = _number(part, "gradient_norm"), _number(part, "condition")
    if gradient is not None and condition is not None:
        found.append(f"Scaled gradient {gradient:.1e}, condition number {condition:.3g}.")
    return found


def _residuals(record: Record) -> list[str]:
    part = _part(record, "residuals")
    rms, largest = _number(part, "rms"), _number(part, "largest")
    if rms is None or largest is None:
        return []
    label = _text(part, "largest_label")
    return [f"Residuals: root mean square {rms:.3g}, largest {largest:.3g} ({label})."]


def _backtest(record: Record) -> list[str]:
    part = _part(record, "backtest")
    if refusal := _part(part, "refusal"):
        return [f"Back-test refused: {_text(refusal, 'what')}."]
    error, points = _number(part, "mean_absolute_error"), _number(part, "points")
    if error is None or points is None:
        return []
    reach = _number(part, "extrapolation")
    far = "" if reach is None else f", extrapolating {reach:.3g} times"
    return [
        f"Back-test without {_text(part, 'held_out')}: mean error {100 * error:.2f} % over "
        f"{points:.0f} points{far}."
    ]


def _refusal(part: Record) -> str:
    if not part:
        return ""
    what, where, mend = (_text(part, name) for name in ("what", "where", "mend"))
    return f"{what} ({where}). To mend it: {mend}."


def _part(record: Record, name: str) -> Record:
    value = record.get(name)
    return cast(Record, value) if isinstance(value, Mapping) else {}


def _list(record: Record, name: str) -> list[Record]:
    value = record.get(name)
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    items = cast(Sequence[object], value)
    return [cast(Record, item) for item in items if isinstance(item, Mapping)]


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    return "" if value is None else str(value)


def _number(record: Record, name: str) -> float | None:
    value = record.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return None
