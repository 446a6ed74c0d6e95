"""Where and how a study means to run. Never part of a run's name. Pure."""

from dataclasses import dataclass

from orchestrator.spec.parallel import Parallelism


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
