"""A plan: the runs of a study, what each waits for, which arms it serves, what it costs. Pure."""

from dataclasses import dataclass

from orchestrator.spec.codec import Scalar
from orchestrator.spec.run import RunConfig, Stage, TowerPretrain
from orchestrator.spec.source import DataSource

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
    """N: parameters of decoder and projector, trainable or not, embeddings left out."""
    params_total: int
    """The same with embeddings and output layer."""
    steps: int
    """Optimizer steps; 0 for a run that does not train."""
    tokens: int
    """Sequence positions trained on, text and image together; 0 for a run that does not train."""
    image_tokens: int
    """Those of `tokens` in sequences of captioned images or instructions."""
    flops: float
    """Compute in FLOP: matrices, attention, output layer, and the vision tower's share."""
    vision_flops: float
    """Those of `flops` in the vision tower: one forward pass if frozen, three if trained."""
    flops_6nd: float
    """6 x `params` x `tokens`, the convention of Kaplan et al. 2020 (arXiv:2001.08361)."""
    checkpoint_bytes: int
    """Size of the final checkpoint with optimizer state."""
    device_hours: float
    """Hours of one device: a GPU, or one CPU slot."""
    devices: int
    """Devices that work at once."""
    wall_hours: float
    """Hours from start to end: `device_hours` over `devices`."""
    memory_gib: float
    """Peak memory of one device in GiB: weights, gradients, optimizer state and activations."""


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
    cost: Cost
    """What it takes."""

    @property
    def title(self) -> str:
        """Say what the run is: model, seed, and what its stage varies."""
        if isinstance(self.config, TowerPretrain):
            return f"vision tower, seed {self.config.seed}"
        shown = {axis.name: axis.value for axis in self.axes}
        words = [str(shown["model"])]
        if "cooldown_point" in shown:
            words.append(f"at {float(shown['cooldown_point']) * 100:.4g}%")
        if "image_ratio" in shown:
            share = float(shown["image_ratio"]) * 100
            words += [f"images {share:.4g}%", str(shown["learning_rate_rule"])]
        if shown.get("instruction_ratio"):
            words.append(f"of them instructions {float(shown['instruction_ratio']) * 100:.4g}%")
        if "keep" in shown and float(shown["keep"]) < 1:
            words.append(f"best {float(shown['keep']) * 100:.4g}% kept")
        if "epochs" in shown:
            words.append(f"{shown['epochs']} epoch{'' if shown['epochs'] == 1 else 's'}")
        words += [f"{shown[name]}" for name in ("soup", "suite") if name in shown]
        return ", ".join([*words, f"seed {shown['seed']}"])


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
class PlannedArm:
    """An arm of the study."""

    name: str
    """Unique in the study."""
    group: str | None
    """Arms that are counted together; None for the study's own."""
    feeds: tuple[str, ...]
    """Figures and tables drawn from it."""


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
    arms: tuple[PlannedArm, ...]
    """The arms, in the order of the file."""
    feeds: tuple[Feed, ...]
    """What each figure and table is drawn from."""
    saving: Saving
    """What sharing saved."""
    throughput: str
    """Where the throughput behind `device_hours` comes from."""
    columns: tuple[str, ...]
    """Names of the axes in the study's runs: columns of the results table."""
