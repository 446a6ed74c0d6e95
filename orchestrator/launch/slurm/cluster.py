"""Where a study's jobs go: its folder, the cluster, what they run."""

from dataclasses import dataclass
from pathlib import Path

from orchestrator.launch.config import LaunchConfig
from orchestrator.launch.slurm.look import Asked
from orchestrator.launch.slurm.scheduler import Scheduler
from orchestrator.spec.launch import ModelLayout
from orchestrator.spec.profile import Profile
from orchestrator.spec.slurm_site import SlurmSite
from orchestrator.store.layout import StudyFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where a study's jobs go."""

    study: str
    """Name of the study."""
    folder: StudyFolder
    """Its results, on a file system of all nodes."""
    profile: Profile
    """The cluster."""
    site: SlurmSite
    """Its Slurm; the profile's own."""
    scheduler: Scheduler
    """What is asked."""
    config: LaunchConfig
    """How runs execute."""
    python: str
    """The interpreter of jobs."""
    layouts: tuple[ModelLayout, ...] = ()
    """How models are spread over devices; a model without one is not cut."""
    code: Path | None
    """Folder of the code that jobs run; None for what is installed when they start."""

    @property
    def asked(self) -> Asked:
        """Whom to ask where the study's jobs are."""
        return Asked(folder=self.folder, scheduler=self.scheduler, requeue=self.site.requeue)
