"""What Slurm says of itself: its own words, typed. Pure but for `ask_slurm`.

Formats are those of scontrol(1), sinfo(1), sdiag(1) and sacctmgr(1), Slurm 22.05 to 25.05. What
is missing or cannot be read is None: a check then says that it could not be found out.
"""

import getpass
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.launch.slurm.answers import CommandOutput
from orchestrator.launch.slurm.commands import run_command


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKind:
    """Nodes of a partition that are alike."""

    count: int
    """How many."""
    gpus: Mapping[str, int]
    """Devices of one, by type; `""` for a type without name."""
    cpus: int
    """CPUs of one."""
    memory_mib: int
    """Memory of one."""
    state: str
    """As `sinfo` says it, such as `idle` or `drained*`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFacts:
    """A partition."""

    is_up: bool
    """Whether jobs start there."""
    nodes: int | None
    """How many."""
    max_time: timedelta | None
    """Longest job; None for no limit."""
    preempt_mode: str | None
    """`REQUEUE`, `CANCEL`, `OFF`, ..."""
    grace: timedelta
    """Time between a preemption's signal and its end."""
    kinds: tuple[NodeKind, ...]
    """Its nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """What the accounts allow this user under one account."""

    account: str
    """Its name."""
    max_submitted: int | None
    """MaxSubmitJobs; None for no limit."""
    qos: tuple[str, ...]
    """Qualities of service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmFacts:
    """A cluster as it is."""

    silence: str | None
    """Why the controller does not answer; None if it does. Nothing else is known then."""
    config: Mapping[str, str]
    """`scontrol show config`, by key."""
    partitions: Mapping[str, PartitionFacts]
    """Partitions that were asked about and are there."""
    instant: float | None
    """The controller's clock, seconds since 1970."""
    sacct_words: str | None
    """Why `sacct` gave nothing; None if it answers."""
    associations: tuple[Association, ...]
    """What the user is allowed; none where there are no accounts."""


Run = Callable[[Sequence[str]], CommandOutput]


def ask_slurm(partitions: Sequence[str], run: Run = run_command) -> SlurmFacts:
    """Ask Slurm about itself: seven short commands, and two for each partition.

    Args:
        partitions: names that are of interest.
        run: calls a command.
    """
    ping = run(("scontrol", "ping"))
    if b"is UP" not in ping.stdout:
        words = (ping.stderr or ping.stdout).decode(errors="replace").strip()
        return SlurmFacts(
            silence=words.splitlines()[0] if words else "scontrol ping says nothing",
            config={},
            partitions={},
            instant=None,
            sacct_words=None,
            associations=(),
        )
    found = {name: _partition(name, run) for name in partitions}
    sacct = run(("sacct", "--noheader", "--parsable2", "--format=JobID", "--starttime=now"))
    user = getpass.getuser()
    fields = "format=account,maxsubmit,qos"
    allowed = run(("sacctmgr", "-n", "-P", "show", "assoc", "where", f"user={user}", fields))
    return SlurmFacts(
        silence=None,
        config=read_config(_text(run(("scontrol", "show", "config")))),
        partitions={name: facts for name, facts in found.items() if facts is not None},
        instant=read_instant(_text(run(("sdiag",)))),
        sacct_words=None if sacct.code == 0 else _first_line(sacct),
        associations=read_associations(_text(allowed)),
    )


def _partition(name: str, run: Run) -> PartitionFacts | None:
    shown = run(("scontrol", "show", "partition", "-o", name))
    if shown.code != 0:
        return None
    nodes = run(("sinfo", "-h", "-p", name, "-o", "%D|%G|%c|%m|%T"))
    return read_partition(_text(shown), _text(nodes))


def read_config(text: str) -> dict[str, str]:
    """Read `scontrol show config`: lines of `Key = value`."""
    found = (re.match(r"(\S+)\s*=\s*(.*)", line) for line in text.splitlines())
    return {match[1]: match[2].strip() for match in found if match}


def read_partition(shown: str, nodes: str) -> PartitionFacts:
    """Read `scontrol show partition -o` and the partition's lines of `sinfo`."""
    values = dict(re.findall(r"(\w+)=(\S*)", shown))
    return PartitionFacts(
        is_up=values.get("State") == "UP",
        nodes=leading_number(values.get("TotalNodes")),
        max_time=read_time(values.get("MaxTime", "")),
        preempt_mode=values.get("PreemptMode"),
        grace=timedelta(seconds=leading_number(values.get("GraceTime")) or 0),
        kinds=tuple(_kind(line) for line in nodes.splitlines() if line.count("|") == 4),
    )


def _kind(line: str) -> NodeKind:
    count, gres, cpus, memory, state = line.split("|")
    return NodeKind(
        count=leading_number(count) or 0,
        gpus=read_gpus(gres),
        cpus=leading_number(cpus) or 0,
        memory_mib=leading_number(memory) or 0,
        state=state,
    )


def read_gpus(gres: str) -> dict[str, int]:
    """Read the GPUs of `gpu:2`, `gpu:a100:8(S:0-1),nvme:1` or `(null)`, by type."""
    found: dict[str, int] = {}
    for kind, count in re.findall(r"(?:^|,)gpu(?::([A-Za-z][^:,()]*))?:(\d+)", gres):
        found[kind] = found.get(kind, 0) + int(count)
    return found


def read_time(text: str) -> timedelta | None:
    """Read `1-00:00:00`, `12:00:00`, `30:00` or `UNLIMITED`."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def read_instant(text: str) -> float | None:
    """Read the controller's clock from `sdiag output at ... (1795713501)`."""
    found = re.search(r"^sdiag output at .*\((\d+)\)", text, re.MULTILINE)
    return float(found[1]) if found else None


def read_associations(text: str) -> tuple[Association, ...]:
    """Read lines of `account|maxsubmit|qos,qos`."""
    lines = [line.split("|") for line in text.splitlines() if line.count("|") == 2]
    return tuple(
        Association(
            account=account,
            max_submitted=leading_number(most),
            qos=tuple(name for name in qos.split(",") if name),
        )
        for account, most, qos in lines
    )


def leading_number(text: str | None) -> int | None:
    """Read the 30 of `30 sec`; None where there is no number."""
    found = re.match(r"\d+", text or "")
    return int(found[0]) if found else None


def _text(output: CommandOutput) -> str:
    return output.stdout.decode(errors="replace") if output.code == 0 else ""


def _first_line(output: CommandOutput) -> str:
    words = (output.stderr or output.stdout).decode(errors="replace").strip()
    return words.splitlines()[0] if words else "it says nothing"
