"""What a curve figure shows: scores against one axis of a study. Pure."""

from dataclasses import dataclass

import pandas as pd

SCORE = "stable_score"
"""Mean over a suite's benchmarks of the score above the random baseline."""
TRUNK_LINE = "text-only trunk"
"""Line of models that never saw an image."""
BLIND = "_blind"
"""Ending of a suite that asks another's questions without the image."""

_PUBLISHED_BENCHMARKS = {"vqav2": "VQAv2", "arceasy": "ARC-easy"}
"""Benchmarks that the paper draws by themselves, by their plain names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What is drawn against what."""

    name: str
    """Name in a study's `feeds`."""
    title: str
    """What it shows, in a line."""
    axis: str
    """Column on the x axis."""
    label: str
    """Its name with unit, for people."""
    is_share: bool
    """Whether the axis holds fractions, shown in per cent."""
    facet: str | None = None
    """Column whose values make rows of panels, in arms that vary it; each arm has its own rows."""
    is_log: bool = False
    """Whether the axis is logarithmic."""
    has_blind: bool = False
    """Whether scores of the same questions without the image are shown where they are measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One column of panels."""

    suite: str
    benchmark: str
    metric: str
    words: str
    """Heading."""
    label: str
    """Name and unit of the y axis."""


AVERAGES = (
    Panel(
        suite="vision",
        benchmark="average",
        metric=SCORE,
        words="Vision",
        label="stable score (above chance)",
    ),
    Panel(
        suite="text",
        benchmark="average",
        metric=SCORE,
        words="Text",
        label="stable score (above chance)",
    ),
)
"""What every curve figure shows."""


def plain_name(benchmark: str) -> str:
    """Return a benchmark's name without capitals and separators: "vqav2" for "VQA-v2"."""
    return benchmark.lower().replace("_", "").replace("-", "")


def panels_of(rows: pd.DataFrame) -> tuple[Panel, ...]:
    """Return the columns of panels: the averages, and benchmarks that the paper draws alone."""
    own: dict[str, Panel] = {}
    known = rows[rows["baseline"].notna() & rows["suite"].isin(["vision", "text"])]
    for row in known[["suite", "benchmark", "metric"]].drop_duplicates().to_dict("records"):
        name = str(row["benchmark"])
        if plain_name(name) in _PUBLISHED_BENCHMARKS:
            words = _PUBLISHED_BENCHMARKS[plain_name(name)]
            panel = Panel(
                suite=str(row["suite"]),
                benchmark=name,
                metric=str(row["metric"]),
                words=words,
                label=f"{row['metric']}, in [0, 1]",
            )
            own.setdefault(words, panel)  # the first metric is the benchmark's own
    return (*AVERAGES, *(own[words] for words in sorted(own)))
