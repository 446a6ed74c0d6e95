"""Which version of the code made the runs behind a fit. Pure."""

from collections import Counter

import pandas as pd

from analysis.fits.record import Flag, Warn

NAMED = 5
"""Runs of another code version that are named one by one."""


def code_flags(rows: pd.DataFrame) -> list[Flag]:
    """Name the runs that another version of the code made than the most; none if all are alike.

    Args:
        rows: what is fitted, with `run_id` and `code`.
    """
    known = rows.dropna(subset=["code"])
    makers = {str(run): str(code) for run, code in zip(known["run_id"], known["code"], strict=True)}
    counts = Counter(makers.values())
    if len(counts) < 2:
        return []
    ((most, number),) = counts.most_common(1)
    others = [f"{run} by {code}" for run, code in makers.items() if code != most]
    more = f", and {len(others) - NAMED} more" if len(others) > NAMED else ""
    detail = f"{number} of {len(makers)} runs by {most}; {', '.join(others[:NAMED])}{more}"
    return [Flag(kind=Warn.SEVERAL_CODES, detail=detail)]
