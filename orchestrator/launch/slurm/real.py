"""The real Slurm: its commands, called and understood."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice

from orchestrator.launch.slurm.answers import (
    SQUEUE,
    Answer,
    read_sacct,
    read_squeue,
    sacct_command,
)
from orchestrator.launch.slurm.commands import run_command
from orchestrator.launch.slurm.ids import JobTask
from orchestrator.launch.slurm.replies import read_reply
from orchestrator.launch.slurm.scheduler import SlurmLimits, Submitted
from orchestrator.spec.slurm_site import SlurmSite
from orchestrator.store.layout import SubmissionFolder

USUAL_ARRAY_SIZE = 1001
"""Slurm's default MaxArraySize, taken where nobody says otherwise."""

LOG = "%A_%a.log"
"""Name of what a job prints before its worker begins, in the submission's folder."""

_AT_ONCE = 500
"""Jobs named in one command: a command line may be 128 KiB long."""

_MAX_ARRAY = re.compile(rb"^MaxArraySize\s*=\s*(\d+)", re.MULTILINE)


class RealSlurm:
    """The cluster that SLURM_CONF, or the system, names."""

    def __init__(self, site: SlurmSite) -> None:
        """Ask nothing yet.

        Args:
            site: what is stated of it; what is not is asked for.
        """
        self._site = site

    def limits(self) -> SlurmLimits:
        """Return what the profile states, else what Slurm says of arrays."""
        size = self._site.max_array_size or self._array_size
        return SlurmLimits(max_array_size=size, max_submitted=self._site.max_submitted)

    def queue(self) -> Answer:
        """Call squeue once."""
        return read_squeue(run_command(SQUEUE), UTC)

    def accounts(self, since: datetime, numbers: Sequence[int]) -> Answer:
        """Call sacct once."""
        return read_sacct(run_command(sacct_command(since, numbers)), UTC)

    def submit(self, folder: SubmissionFolder) -> Submitted:
        """Call sbatch once, in the submission's folder, where the jobs start."""
        log = f"{str(folder.path).replace('%', '%%')}/{LOG}"
        options = (f"--output={log}", f"--error={log}")
        command = ("sbatch", "--parsable", *options, folder.script.name)
        return read_reply(run_command(command, cwd=folder.path))

    def cancel(self, jobs: Sequence[JobTask]) -> None:
        """End waiting jobs; one that has just started is left alone."""
        self._each("scancel", jobs, "--state=PENDING")

    def ask_to_leave(self, jobs: Sequence[JobTask]) -> None:
        """Signal the processes of running jobs to save and leave."""
        self._each("scancel", jobs, "--signal=TERM")

    def hold(self, jobs: Sequence[JobTask]) -> None:
        """Keep waiting jobs from starting."""
        self._steer("hold", jobs)

    def release(self, jobs: Sequence[JobTask]) -> None:
        """Let held jobs start."""
        self._steer("release", jobs)

    @cached_property
    def _array_size(self) -> int:
        told = run_command(("scontrol", "show", "config"))
        found = _MAX_ARRAY.search(told.stdout)
        return max(1, int(found[1])) if found else USUAL_ARRAY_SIZE

    def _each(self, command: str, jobs: Sequence[JobTask], *options: str) -> None:
        left = iter(jobs)
        while named := [job_name(job) for job in islice(left, _AT_ONCE)]:
            run_command((command, *options, *named))

    def _steer(self, verb: str, jobs: Sequence[JobTask]) -> None:
        left = iter(jobs)
        while named := [job_name(job) for job in islice(left, _AT_ONCE)]:
            run_command(("scontrol", verb, ",".join(named)))


def job_name(job: JobTask) -> str:
    """Write a job as Slurm's commands take it."""
    return str(job.job_id) if job.task is None else f"{job.job_id}_{job.task}"
