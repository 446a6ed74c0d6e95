"""Whether the text loss falls with model size and with tokens, as findings."""

from collections.abc import Sequence

import pandas as pd

from analysis.finding import Finding, Verdict
from analysis.fits.losses import trunk_losses
from analysis.intervals import share_of
from analysis.study import StudyResults


def loss_findings(study: StudyResults) -> list[Finding]:
    """Count in how many pairs of trunks the loss falls with params, and with tokens."""
    losses = trunk_losses(study)
    by_params = _falls(losses, ["tokens", "text_tokens", "seed"], "params")
    by_tokens = [
        *_falls(losses, ["trunk"], "tokens"),
        *_falls(losses, ["model", "seed", "cooldown_point"], "tokens"),
    ]
    words = "share of neighbouring pairs in which the text loss falls"
    return [
        _loss_finding("loss_falls_with_params", f"With params: {words}", by_params, losses),
        _loss_finding("loss_falls_with_tokens", f"With tokens: {words}", by_tokens, losses),
    ]


def _falls(losses: pd.DataFrame, keys: list[str], scale: str) -> list[bool]:
    """Return for each pair of neighbours in `scale`, all else equal, whether the loss falls."""
    falls: list[bool] = []
    for _, group in losses.groupby(keys, dropna=False):
        steps = group.sort_values(scale)["value"].diff().dropna()
        falls += [bool(step < 0) for step in steps]
    return falls


def _loss_finding(
    name: str, statement: str, falls: Sequence[bool], losses: pd.DataFrame
) -> Finding:
    estimate = share_of(sum(falls), len(falls), "pairs") if falls else None
    verdict = Verdict.NOT_MEASURED
    if estimate and estimate.low is not None and estimate.high is not None:
        verdict = Verdict.AGREES if estimate.low > 0.5 else Verdict.WITHIN_NOISE
        verdict = Verdict.DISAGREES if estimate.high < 0.5 else verdict
    return Finding(
        name=name,
        statement=statement,
        unit="share",
        estimate=estimate,
        paper="not a claim of the paper; what scaling laws expect: more than half",
        verdict=verdict,
        reason=None if estimate else "no two trunk losses differ in this alone",
        run_ids=tuple(losses["run_id"]) if estimate else (),
    )
