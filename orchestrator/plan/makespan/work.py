"""What time and disk have to know of a run: how long, on how much, after what. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import ConfigError
from orchestrator.plan.plan import Plan
from orchestrator.spec.checks import check_at_least
from orchestrator.spec.guard import BadStep
from orchestrator.spec.run import (
    Finetune,
    ImageTextPretrain,
    RunConfig,
    Stage,
    TextPretrain,
    TowerPretrain,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One run as the scheduler and the disk see it.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    run_id: str
    """Its name."""
    label: str
    """A line for people."""
    needs: tuple[str, ...]
    """Runs that must be done first."""
    devices: int
    """Devices it works on at once. At least 1."""
    hours: float
    """From start to end on those devices, undisturbed and in one job. At least 0."""
    checkpoint_bytes: int = 0
    """Size of a checkpoint with optimizer state; 0 for a run that leaves none."""
    is_milestone: bool = False
    """Whether it is a segment of a trunk, whose final checkpoint later studies may branch from."""
    is_model: bool = False
    """Whether its weights are a result: it fills a place in an arm."""
    rewinds: bool = False
    """Whether it keeps checkpoints to go back to from a bad step."""

    def __post_init__(self) -> None:
        check_at_least("devices", self.devices, 1)
        check_at_least("checkpoint_bytes", self.checkpoint_bytes, 0)
        if not 0 <= self.hours < float("inf"):
            raise ConfigError(
                f"hours is {self.hours}, no length of time",
                where=f"run {self.run_id}: hours",
                mend="plan with a throughput above 0",
            )


def work_of(plan: Plan) -> tuple[Work, ...]:
    """Return the work of a plan, in its order."""
    return tuple(
        Work(
            run_id=run.run_id,
            label=f"{run.stage}: {run.title}",
            needs=run.needs,
            devices=run.cost.devices,
            hours=run.cost.wall_hours,
            checkpoint_bytes=run.cost.checkpoint_bytes,
            is_milestone=run.stage is Stage.TEXT_PRETRAIN,
            is_model=bool(run.cells),
            rewinds=_rewinds(run.config),
        )
        for run in plan.runs
    )


def _rewinds(config: RunConfig) -> bool:
    match config:
        case TextPretrain() | ImageTextPretrain() | Finetune() | TowerPretrain():
            return config.optimizer.guard.bad_step is BadStep.REWIND
        case _:
            return False


def children_of(work: Sequence[Work]) -> list[list[int]]:
    """Return for each run the places of those that need it. Parents come before children."""
    places: dict[str, int] = {}
    children: list[list[int]] = []
    for place, run in enumerate(work):
        for need in dict.fromkeys(run.needs):
            assert need in places, f"{run.run_id} comes before {need}, which it needs"
            children[places[need]].append(place)
        assert run.run_id not in places, f"{run.run_id} is there twice"
        places[run.run_id] = place
        children.append([])
    return children


def hours_below(work: Sequence[Work], children: Sequence[Sequence[int]]) -> list[float]:
    """Return for each run the hours of the longest line of runs that begins after it."""
    below = [0.0] * len(work)
    for place in reversed(range(len(work))):
        lines = (work[child].hours + below[child] for child in children[place])
        below[place] = max(lines, default=0.0)
    return below
