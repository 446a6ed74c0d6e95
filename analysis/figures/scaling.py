"""Scaling: held-out text loss of the trunks against compute and tokens, with the fitted laws."""

from typing import cast

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

from analysis.figures.drawn import Drawn
from analysis.figures.style import GREY, finish, legend, look, panels, text_panel
from analysis.fits.losses import on_frontier, trunk_losses
from analysis.study import StudyResults
from orchestrator.errors import RecordError
from orchestrator.store.files import read_json

NAME = "scaling"
TITLE = "Scaling: text loss of the trunks against compute and tokens"
_BAND = 0.18


def draw(study: StudyResults) -> Drawn:
    """Draw every trunk loss with the laws that `sweep fit` accepted.

    Raises:
        RecordError: if no trunk loss has been measured.
    """
    # Imported where it is needed: the fitting engine takes longer to load than to draw this.
    from analysis.fits.study import LOSS_OF_FLOPS, LOSS_OF_PARAMS_AND_TOKENS

    losses = trunk_losses(study)
    arms = study.arms_of(NAME)
    if losses.empty:
        raise RecordError(
            "no trunk loss (val_text_loss) has been measured",
            f"{NAME}: {', '.join(arms) or 'no arm feeds it'}",
            "run `sweep launch`, then `sweep results`",
        )
    losses = losses.assign(on_frontier=on_frontier(losses))
    fits = {name: _read(study, name) for name in (LOSS_OF_FLOPS, LOSS_OF_PARAMS_AND_TOKENS)}
    figure, grid = panels(1, 2)
    _points(grid[0, 0], losses, "flops", "training compute (FLOP)")
    _frontier(grid[0, 0], losses, fits[LOSS_OF_FLOPS])
    _points(grid[0, 1], losses, "tokens", "training tokens")
    _sizes(grid[0, 1], losses, fits[LOSS_OF_PARAMS_AND_TOKENS])
    missing = _missing(study, arms)
    finish(figure, TITLE, missing)
    words = " ".join(_fit_words(name, record) for name, record in fits.items())
    return Drawn(
        name=NAME,
        title=TITLE,
        caption="Each point is one trunk checkpoint; rings mark the compute-efficient frontier. "
        f"Bands: 90 % bootstrap intervals of the curve. {words}",
        figure=figure,
        data=_data(losses, fits),
        missing=missing,
    )


def _read(study: StudyResults, name: str) -> dict[str, object] | None:
    path = study.folder.fits / f"{name}.json"
    return read_json(path) if path.exists() else None


def _curve(record: dict[str, object] | None) -> pd.DataFrame:
    """Return the fitted curve; empty if there is none."""
    return pd.DataFrame(cast(list[dict[str, float]], record.get("curve", [])) if record else [])


def _points(axes: Axes, losses: pd.DataFrame, column: str, label: str) -> None:
    sizes = sorted(losses["params"].unique())
    for (params, model), group in losses.groupby(["params", "model"]):
        colour, marker = look(sizes.index(params))
        axes.plot(group[column], group["value"], marker, color=colour, ms=4.5, label=str(model))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter("{x:.3g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(label, fontsize=8)
    axes.set_ylabel("held-out text loss (nats per token)", fontsize=8)


def _frontier(axes: Axes, losses: pd.DataFrame, record: dict[str, object] | None) -> None:
    best = losses[losses["on_frontier"]]
    axes.plot(best["flops"], best["value"], "o", ms=9, mfc="none", mec=GREY, label="frontier")
    curve = _curve(record)
    if not curve.empty:
        axes.plot(curve["flops"], curve["loss"], color="black", lw=1.4, label="power law")
        axes.fill_between(curve["flops"], curve["low"], curve["high"], color="black", alpha=_BAND)
    axes.set_title(_heading(record), fontsize=8, loc="left")
    legend(axes)


def _sizes(axes: Axes, losses: pd.DataFrame, record: dict[str, object] | None) -> None:
    curve = _curve(record)
    if curve.empty and losses.empty:
        text_panel(axes, _heading(record))
        return
    sizes = sorted(losses["params"].unique())
    for params, group in curve.groupby("params") if not curve.empty else ():
        colour, _ = look(sizes.index(params))
        axes.plot(group["tokens"], group["loss"], color=colour, lw=1.4)
        axes.fill_between(group["tokens"], group["low"], group["high"], color=colour, alpha=_BAND)
    axes.set_title(_heading(record), fontsize=8, loc="left")
    legend(axes)


def _heading(record: dict[str, object] | None) -> str:
    """Return the fitted equation, or why there is none."""
    if record is None:
        return "no fit yet: run `sweep fit`"
    if record.get("status") != "fitted":
        refusal = cast(dict[str, str], record.get("refusal", {}))
        return f"refused: {refusal.get('what', 'no reason recorded')}"
    values = {
        str(item["name"]): cast(float, item["value"])
        for item in cast(list[dict[str, object]], record.get("parameters", []))
    }
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items())


def _fit_words(name: str, record: dict[str, object] | None) -> str:
    if record is None or record.get("status") != "fitted":
        return f"{name}: {_heading(record)}."
    flags = cast(list[dict[str, str]], record.get("flags", []))
    doubts = "; ".join(f"{flag['kind']} ({flag['detail']})" for flag in flags)
    return f"{name}: {record.get('estimator')}; {'doubts: ' + doubts if doubts else 'no flags'}."


def _missing(study: StudyResults, arms: tuple[str, ...]) -> tuple[str, ...]:
    measured = set(study.table.results["run_id"])
    return tuple(
        f"{run.title} ({study.reason_missing(run)})"
        for run in study.runs
        if run.stage == "text_pretrain" and set(run.arms) & set(arms) and run.run_id not in measured
    )


def _data(losses: pd.DataFrame, fits: dict[str, dict[str, object] | None]) -> pd.DataFrame:
    names = ["model", "params", "tokens", "flops", "seed", "cooldown_point", "on_frontier"]
    points = losses[[*names, "value", "run_id", "code"]]
    points = points.rename(columns={"value": "loss", "run_id": "run_ids"}).assign(kind="run")
    curves = [
        _curve(record).assign(
            kind=name, run_ids=";".join(cast(list[str], record.get("run_ids", [])))
        )
        for name, record in fits.items()
        if record is not None and not _curve(record).empty
    ]
    return pd.concat([points, *curves], ignore_index=True)
