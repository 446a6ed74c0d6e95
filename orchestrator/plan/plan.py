"""A plan: the runs of a study, what each waits for, which arms it serves, what it costs. Pure."""

from dataclasses import dataclass

from orchestrator.spec.codec import Scalar
from orchestrator.spec.run import DataSource, RunConfig, Stage

AxisValue = Scalar
"""A value of a varied key, as the results table shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A varied key and the value it has in one run."""

    name: str
    """Column of the results table."""
    value: AxisValue
    """Shares as fractions, token budgets as whole numbers, models and rules as words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One place in an arm's grid that a run fills."""

    arm: str
    """Name of the arm."""
    axes: tuple[Axis, ...]
    """The arm's own labels for this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run takes, beyond what its parents took."""

    params: int
    """Trainable and frozen parameters of the decoder and projector, embeddings left out."""
    params_total: int
    """The same with embeddings and output layer."""
    steps: int
    """Optimizer steps; 0 for an evaluation."""
    tokens: int
    """Sequence positions trained on, text and image together; 0 for an evaluation."""
    image_tokens: int
    """Those of `tokens` in sequences of captioned images or instructions."""
    flops: float
    """Compute in FLOP."""
    checkpoint_bytes: int
    """Size of the final checkpoint with optimizer state."""
    device_hours: float
    """Hours of one device: a GPU, or one CPU slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One node of the plan."""

    run_id: str
    """Content-derived name."""
    stage: Stage
    """What it does."""
    function: str
    """Dotted name of the stage's function, `package.module:function`."""
    config: RunConfig
    """What identifies it."""
    needs: tuple[str, ...]
    """Runs that must be done first, in a fixed order."""
    previous: str | None
    """Trunk segment it goes on from; also in `needs`."""
    cells: tuple[Cell, ...]
    """Places it fills in arms; empty for a run that only others need."""
    arms: tuple[str, ...]
    """Every arm that it or a run depending on it serves."""
    axes: tuple[Axis, ...]
    """Its own settings of the study's axes."""
    title: str
    """A line for people."""
    cost: Cost
    """What it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What sharing common prefixes saved, against training each model on its own."""

    tokens: int
    """Training tokens not trained twice."""
    flops: float
    """Compute in FLOP not spent twice."""
    device_hours: float
    """Hours of one device not spent twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A figure or table and the arms it is drawn from."""

    name: str
    """Name of the figure or table."""
    arms: tuple[str, ...]
    """Arms that feed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeData:
    """A data collection that the project makes by itself."""

    name: str
    """Name of the collection, the part of a source's name before the slash."""
    version: str
    """Hash of the recipe and its options."""
    recipe: str
    """Dotted name of the function that makes it, `package.module:function`."""
    options: tuple[tuple[str, Scalar], ...]
    """Its options, sorted by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Runs in an order in which each comes after what it needs."""

    study: str
    """Name of the study, and of its results folder."""
    about: str
    """What it asks."""
    runs: tuple[PlannedRun, ...]
    """Every run, once."""
    sources: tuple[DataSource, ...]
    """Data that the runs read, sorted."""
    made: tuple[MadeData, ...]
    """Data to make before the first run."""
    feeds: tuple[Feed, ...]
    """What each figure and table is drawn from."""
    saving: Saving
    """What sharing saved."""
    throughput: str
    """Where the throughput behind `device_hours` comes from."""
