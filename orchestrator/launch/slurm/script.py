"""The batch script of an array, written by submitit, with a payload that is no pickle.

submitit knows sbatch's options and quotes them. Its own payload is left out: it waits for a pickle
that a killed launcher never moves into place, takes a preemption that Slurm answers itself for a
failure, and swallows SIGTERM. Ours is `orchestrator.worker.job`, which reads the submission's
records; it checkpoints when signalled, and the script puts the job back in the queue.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import submitit

from orchestrator.launch.slurm.arrays import Batch, index_list
from orchestrator.spec.slurm_site import Requeue, SlurmSite
from orchestrator.worker.exit_codes import ExitCode

NOWHERE = "/dev/null"

_LEAVE_SECONDS = 60
"""How long a script waits to be ended after its job was put back in the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What each process of a job runs."""

    python: str
    """The interpreter."""
    code: Path | None
    """Folder of the code; None for what is installed."""
    environment: Mapping[str, str]
    """Variables to set; no secrets."""


def script_text(batch: Batch, site: SlurmSite, *, folder: Path, name: str, payload: Payload) -> str:
    """Return what `sbatch` is given.

    Args:
        batch: the array.
        site: the cluster's Slurm.
        folder: of the submission, in which the job starts; on a file system of all nodes.
        name: of the jobs; carries the token.
        payload: what they run.
    """
    executor = _Executor(folder)
    executor.update_parameters(**_parameters(batch, site, name, payload))
    return executor.text(_command(payload)) + "\n"


class _Executor(submitit.SlurmExecutor):
    """submitit's writer of batch scripts."""

    def text(self, command: str) -> str:
        """Return the script around a command."""
        return self._make_submission_file_text(command, uid="")

    @classmethod
    def affinity(cls) -> int:
        """Also write scripts where there is no Slurm: a dry run shows them anywhere."""
        return 2


def _parameters(batch: Batch, site: SlurmSite, name: str, payload: Payload) -> dict[str, object]:
    shape = batch.shape
    parallel = f"%{site.array_parallelism}" if site.array_parallelism else ""
    extra: dict[str, object] = {
        "array": index_list(index for index, _ in batch.tasks) + parallel,
        "output": NOWHERE,  # `sbatch` is told on its command line: a path may hold anything
        "error": NOWHERE,
        "kill-on-invalid-dep": "no",  # the next round sees why, and cancels it
        "requeue" if site.requeue is Requeue.REQUEUE else "no-requeue": True,
    }
    found: dict[str, object] = {
        "job_name": name,
        "partition": shape.partition,
        "time": shape.minutes,
        "nodes": shape.nodes,
        "ntasks_per_node": shape.tasks_per_node,
        "cpus_per_task": site.cpus_per_task,
        "signal_delay_s": site.warning_seconds,
        "stderr_to_stdout": True,
        "use_srun": False,  # ours is called with options of its own
        "setup": _setup(site, payload),
        "teardown": _teardown(site),
        "wckey": None,  # submitit's own default is refused by sites that check it
    }
    if shape.gpus_per_node:
        kind = f"{site.gpu_type}:" if site.gpu_type else ""
        extra["gpus-per-node"] = f"{kind}{shape.gpus_per_node}"
    if site.memory_gib_per_task is not None:
        gib = site.memory_gib_per_task * shape.tasks_per_node * shape.memory_factor
        extra["mem"] = f"{round(1024 * gib)}M"
    for key in ("account", "qos", "constraint"):
        value = getattr(site, key)
        if value is not None:
            found[key] = value
    if shape.exclude:
        found["exclude"] = ",".join(shape.exclude)
    if batch.dependency:
        found["dependency"] = batch.dependency
    return {**found, "additional_parameters": extra}


def _setup(site: SlurmSite, payload: Payload) -> list[str]:
    lines = [
        'sweep_job="${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"',
        'export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"  # srun does not take it over by itself',
    ]
    if site.requeue is Requeue.CANCEL:
        # It was put back by its own script below: from here on Slurm must not start it again.
        lines.append(
            '[ "${SLURM_RESTART_COUNT:-0}" -eq 0 ] || scontrol update jobid="$sweep_job" requeue=0'
        )
    if site.scratch is not None:
        lines.append(f"export TMPDIR={shlex.quote(site.scratch)}")
    lines += [
        f"export {name}={shlex.quote(value)}" for name, value in sorted(payload.environment.items())
    ]
    if payload.code is not None:
        path = shlex.quote(str(payload.code))
        lines.append(f"export PYTHONPATH={path}${{PYTHONPATH:+:$PYTHONPATH}}")
    return [*lines, *site.setup]


def _command(payload: Payload) -> str:
    words = ["srun", "--unbuffered", "--kill-on-bad-exit=1", payload.python, "-P", "-u"]
    called = shlex.join([*words, "-m", "orchestrator.worker.job", "."])
    return f"sweep_code=0; {called} || sweep_code=$?"  # also where a set-up line says `set -e`


def _teardown(site: SlurmSite) -> list[str]:
    again = 'scontrol requeue "$sweep_job"'
    if site.requeue is Requeue.CANCEL:
        again = f'scontrol update jobid="$sweep_job" requeue=1 && {again}'
    return [
        f'if [ "$sweep_code" -eq {ExitCode.WARNED.value} ]; then',
        f"  {again} && sleep {_LEAVE_SECONDS}  # it is ended here and starts again",
        "fi",
        'exit "$sweep_code"',
    ]
