"""Records what Slurm's commands print for jobs in every state that can be provoked here.

The parsers' tests read the files; this script made them, on Slurm 22.05.8 in about a minute:

    python tests/slurm/record_outputs.py tests/orchestrator/launch/outputs
"""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from slurm.cluster.client import client_environment
from slurm.cluster.config import Accounting, ClusterConfig, Partition, Preempt, usual_partitions
from slurm.cluster.folder import ClusterFolder, cluster_folder
from slurm.cluster.ports import with_free_ports
from slurm.cluster.processes import kill
from slurm.cluster.record import read_record
from slurm.cluster.starting import start, start_again
from slurm.cluster.stopping import stop

SQUEUE = ["squeue", "-h", "-o", "%A|%a|%F|%K|%T|%r|%j|%k"]
SACCT_FIELDS = (
    "JobIDRaw,JobID,JobName,State,ExitCode,DerivedExitCode,Submit,Start,End,NodeList,Comment"
)
SACCT = ["sacct", "-n", "-P", "-X", "-S", "now-1hours", "-o", SACCT_FIELDS]


def run(cluster: ClusterFolder, command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=client_environment(cluster),
        cwd=cluster.path,
        capture_output=True,
        text=True,
        check=False,
    )


def record(cluster: ClusterFolder, into: Path, name: str, command: list[str]) -> None:
    done = run(cluster, command)
    errors = f"# stderr\n{done.stderr}" if done.stderr else ""
    text = f"$ {shlex.join(command)}\n# exit {done.returncode}\n{done.stdout}{errors}"
    text = text.replace(str(cluster.path), "/cluster")
    (into / f"{name}.txt").write_text(text)
    sys.stdout.write(f"{name}: {len(done.stdout.splitlines())} lines, exit {done.returncode}\n")


def submit(cluster: ClusterFolder, name: str, *options: str, does: str = "sleep 600") -> str:
    comment = f"sweep:{name}:0a1b2c3d"
    command = ["sbatch", "--parsable", "-o", "/dev/null", "-J", name, f"--comment={comment}"]
    done = run(cluster, [*command, *options, f"--wrap=exec {does}"])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def state(cluster: ClusterFolder, job: str) -> str:
    done = run(cluster, ["squeue", "-h", "--states=all", "-o", "%T", "-j", job])
    return done.stdout.split("\n")[0]


def wait(what: str, holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.2)


def wait_for_state(cluster: ClusterFolder, job: str, wanted: str, seconds: float = 60) -> None:
    wait(f"job {job} {wanted}", lambda: state(cluster, job) == wanted, seconds)


def kill_daemon(cluster: ClusterFolder, name: str) -> None:
    found = read_record(cluster)
    assert found is not None
    kill((dict(found.daemons)[name],))


def provoke_waiting(cluster: ClusterFolder, into: Path) -> str:
    """Submit jobs that wait, end or hang in all ways; return one that is going to time out."""
    long = submit(cluster, "timeout", "-w", "n3")
    fails = submit(cluster, "failed", does="sh -c 'exit 3'")
    submit(cluster, "completed", does="true")
    submit(cluster, "failed_by_signal", does="sh -c 'kill -SEGV $$'")
    submit(cluster, "array", "--array=0-5%2", does="sh -c 'sleep $((SLURM_ARRAY_TASK_ID * 2))'")
    after = f"--dependency=afterok:{fails}"
    submit(cluster, "never_satisfied", after)
    submit(cluster, "invalid_dependency", after, "--kill-on-invalid-dep=yes")
    submit(cluster, "held", "--hold")
    submit(cluster, "later", "--begin=now+1hour")
    submit(cluster, "deadline", "--deadline=now+4seconds", "--time=1", "-w", "n3", "--exclusive")
    submit(cluster, "waits_for_parent", f"--dependency=afterok:{long}")
    submit(cluster, "a name with spaces, 'quotes' and |", does="true")
    submit(cluster, "nämé-ünï", does="true")
    submit(cluster, "held_array", "--array=1-9,20,30-40:5%3", "--hold")
    passing = [
        submit(cluster, "waits_for_resources", "-N4", "--exclusive"),
        submit(cluster, "waits_for_its_turn", "-N4", "--exclusive"),
        submit(cluster, "too_long", "-p", "brief", "--time=60"),
        submit(cluster, "cancelled_while_pending", "--hold"),
        submit(cluster, "cancelled", "-w", "n1"),
    ]
    suspended = submit(cluster, "suspended", "-w", "n1")
    for job in (long, passing[-1], suspended):
        wait_for_state(cluster, job, "RUNNING")
    time.sleep(2)  # the scheduler writes its reasons about once a second
    record(cluster, into, "squeue_pending_reasons", SQUEUE)
    run(cluster, ["scancel", *passing])
    run(cluster, ["scontrol", "suspend", suspended])
    run(cluster, ["scontrol", "update", f"jobid={long}", "EndTime=now+5seconds"])
    record(cluster, into, "squeue_many_states", SQUEUE)
    record(cluster, into, "squeue_elements", [*SQUEUE[:2], "-r", *SQUEUE[2:]])
    record(cluster, into, "squeue_none", [*SQUEUE, "-t", "STOPPED"])
    record(cluster, into, "squeue_unknown_job", [*SQUEUE, "-j", "999999"])
    return long


def provoke_preemption(cluster: ClusterFolder, into: Path) -> None:
    on_n4 = ("-w", "n4", "--exclusive")
    low = submit(cluster, "preempted_requeue", *on_n4)
    wait_for_state(cluster, low, "RUNNING")
    first = submit(cluster, "taker", "-p", "high", *on_n4, does="sleep 3")
    wait_for_state(cluster, first, "RUNNING", 30)
    record(cluster, into, "squeue_preempted_requeue", SQUEUE)
    wait_for_state(cluster, low, "RUNNING")
    run(cluster, ["scancel", low])
    low = submit(cluster, "preempted_cancel", "-p", "cancel", *on_n4)
    wait_for_state(cluster, low, "RUNNING")
    submit(cluster, "taker", "-p", "high", *on_n4, does="sleep 1")
    wait_for_state(cluster, low, "PREEMPTED", 30)


def provoke_node_failure(cluster: ClusterFolder, into: Path) -> None:
    node_fail = submit(cluster, "node_fail", "-w", "n2", "--no-requeue")
    requeued = submit(cluster, "node_fail_requeue", "-w", "n2", "--requeue")
    wait_for_state(cluster, requeued, "RUNNING")
    wait_for_state(cluster, node_fail, "RUNNING")
    kill_daemon(cluster, "slurmd.n2")
    wait_for_state(cluster, node_fail, "NODE_FAIL")
    record(cluster, into, "squeue_node_down", SQUEUE)
    record(cluster, into, "sinfo_node_down", ["sinfo", "-h", "-N", "-o", "%N|%t|%P|%E"])
    start_again("slurmd.n2", cluster)


def provoke_memory_limit(cluster: ClusterFolder) -> None:
    hungry = "x = bytearray(400 * 2**20); import time; time.sleep(60)"
    does = shlex.join([sys.executable, "-c", hungry])
    job = submit(cluster, "over_memory", "--mem=50", does=does)
    wait("the memory limit", lambda: state(cluster, job) not in ("PENDING", "RUNNING"), 40)


def record_all(cluster: ClusterFolder, into: Path, prefix: str) -> None:
    record(cluster, into, f"{prefix}squeue_all_states", [*SQUEUE, "--states=all"])
    record(cluster, into, f"{prefix}scontrol_jobs", ["scontrol", "-o", "show", "job"])
    record(cluster, into, f"{prefix}sacct", SACCT)
    record(cluster, into, f"{prefix}sacct_unknown_job", [*SACCT, "-j", "999999"])
    record(cluster, into, f"{prefix}sacct_duplicates", [*SACCT, "-D"])


def refusals(cluster: ClusterFolder, into: Path) -> None:
    wrap = "--wrap=true"
    record(cluster, into, "sbatch_parsable", ["sbatch", "--parsable", wrap])
    record(cluster, into, "sbatch_plain", ["sbatch", wrap])
    record(cluster, into, "sbatch_no_partition", ["sbatch", "-p", "nowhere", wrap])
    record(cluster, into, "sbatch_array_too_large", ["sbatch", "--array=0-5000", wrap])
    record(cluster, into, "sbatch_too_many_gpus", ["sbatch", "--gres=gpu:9", wrap])
    record(cluster, into, "sacct_unknown_field", [*SACCT[:-1], f"{SACCT_FIELDS},Restarts"])
    record(cluster, into, "scancel_unknown_job", ["scancel", "999999"])
    record(cluster, into, "scontrol_requeue_unknown", ["scontrol", "requeue", "999999"])


def outages(cluster: ClusterFolder, into: Path) -> None:
    kill_daemon(cluster, "slurmdbd")
    record(cluster, into, "sacct_database_down", SACCT)
    start_again("slurmdbd", cluster)
    kill_daemon(cluster, "slurmctld")
    record(cluster, into, "squeue_controller_down", SQUEUE)
    record(cluster, into, "sbatch_controller_down", ["sbatch", "--wrap=true"])
    record(cluster, into, "sacct_controller_down", [*SACCT, "-j", "1"])
    start_again("slurmctld", cluster)


def config(accounting: Accounting) -> ClusterConfig:
    partitions = (
        *usual_partitions(Preempt.REQUEUE),
        Partition(name="cancel", preempt=Preempt.CANCEL),
    )
    memory = (
        ("JobAcctGatherType", "jobacct_gather/linux"),
        ("JobAcctGatherFrequency", "task=1"),
        ("JobAcctGatherParams", "OverMemoryKill"),
    )
    return with_free_ports(
        ClusterConfig(port=18_000, accounting=accounting, partitions=partitions, settings=memory)
    )


def main() -> None:
    into = Path(sys.argv[1]).absolute()
    os.environ["TZ"] = "UTC"
    for accounting in (Accounting.DATABASE, Accounting.NONE):
        with tempfile.TemporaryDirectory() as folder:
            cluster = cluster_folder(Path(folder) / "box")
            try:
                start(config(accounting), cluster)
                if accounting is Accounting.DATABASE:
                    long = provoke_waiting(cluster, into)
                    provoke_preemption(cluster, into)
                    provoke_node_failure(cluster, into)
                    wait_for_state(cluster, long, "TIMEOUT", 90)
                    provoke_memory_limit(cluster)
                    time.sleep(6)  # slurmdbd's answers lag by up to 5 s
                    record_all(cluster, into, "")
                    refusals(cluster, into)
                    outages(cluster, into)
                else:
                    fails = submit(cluster, "failed", does="sh -c 'exit 3'")
                    submit(cluster, "running")
                    wait_for_state(cluster, fails, "FAILED")
                    record_all(cluster, into, "no_accounting_")
            finally:
                stop(cluster)


if __name__ == "__main__":
    main()
