"""`python -m orchestrator.worker.job SUBMISSION_FOLDER`: one process of one job of an array.

Slurm's script starts it through `srun`, once for each process of the attempt. What the processes
print goes to the attempt's own folder from here on.
"""

import os
import sys
from pathlib import Path

from orchestrator.errors import LaunchError, SweepError
from orchestrator.store.layout import AttemptFolder, RunFolder, SubmissionFolder
from orchestrator.store.submissions import Task, read_submission
from orchestrator.worker.entry import main as make_attempt
from orchestrator.worker.exit_codes import ExitCode
from orchestrator.worker.slurm_world import array_task, world_of


def main(folder: Path) -> int:
    """Make the attempt that this job of the array is for, and return its exit code."""
    try:
        world = world_of(os.environ)
        task = _task(SubmissionFolder(folder), array_task(os.environ))
    except SweepError as error:
        sys.stderr.write(f"sweep: {error}\n")
        return ExitCode.CONFIG
    run = RunFolder(folder.parent.parent / "runs" / task.run_id)
    _redirect(run.attempt(task.attempt), world.rank)
    return make_attempt(run.path, task.attempt, world)


def _task(folder: SubmissionFolder, index: int) -> Task:
    for task in read_submission(folder).tasks:
        if task.index == index:
            return task
    raise LaunchError(
        f"the array has no job {index}", str(folder.submission), "launch again with sweep launch"
    )


def _redirect(attempt: AttemptFolder, rank: int) -> None:
    """Let this process print into the attempt's folder."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    log = os.open(attempt.rank_log(rank), flags, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]).absolute())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is written: no thread that a stage left behind may hold the nodes
