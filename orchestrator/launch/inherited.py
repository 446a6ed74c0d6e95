"""What processes inherit from the launcher's environment: nothing of a job around it."""

from collections.abc import Collection, Mapping

FOREIGN = (
    "SLURM_",
    "SRUN_",
    "SBATCH_",
    "SALLOC_",
    "SCANCEL_",
    "SQUEUE_",
    "SACCT_",
    "PMI_",
    "PMIX_",
)
"""Begin the variables of a job around the launcher, or of a user's habits; what we start means
nothing else than it says."""


def without_jobs(environ: Mapping[str, str], keep: Collection[str] = ()) -> dict[str, str]:
    """Return an environment without what an enclosing job or a habit has put there.

    Args:
        environ: what is there.
        keep: names that stay all the same.
    """
    return {
        name: value
        for name, value in environ.items()
        if name in keep or not name.startswith(FOREIGN)
    }
