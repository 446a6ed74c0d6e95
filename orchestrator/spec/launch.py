"""Where and how a study means to run. Never part of a run's name. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.spec.parallel import Parallelism


class Tracking(StrEnum):
    """Who is told about a run beside its own files."""

    OFF = "off"
    WANDB = "wandb"


class Keep(StrEnum):
    """Which final checkpoints stay when the runs that read them are done."""

    NEEDED = "needed"
    """None but the weights of the models that fill places in arms."""
    MILESTONES = "milestones"
    """Those, and every trunk segment's with its optimizer state, so that a study can grow."""
    ALL = "all"
    """Every run's, as its training left it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLayout:
    """How the runs of one model are spread over devices."""

    model: str
    """Name of one of the study's models."""
    parallelism: Parallelism
    """Its layout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What a study file says about machines; `sweep plan` can be told otherwise."""

    profile: str | None = None
    """Name of a cluster profile; None for this machine."""
    layouts: tuple[ModelLayout, ...] = ()
    """Layouts by model; a model without one gets the smallest that fits."""
    tracking: Tracking = Tracking.OFF
    """Who is told about the runs; `sweep launch --tracking` can say otherwise."""
    keep: Keep = Keep.MILESTONES
    """Which checkpoints `sweep gc` leaves; its `--keep` can say otherwise."""
