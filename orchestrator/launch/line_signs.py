"""What lines outside tracebacks say about the cause. Pure.

A line is judged by the program that wrote it; what trackers and mere warnings say does not count.
"""

import re
from collections.abc import Sequence

from orchestrator.launch.log_signs import Sign, Weight
from orchestrator.plan.causes import Cause

_SLURM = r"(?:slurmstepd|srun|slurmd|sbatch)[^\n]*"

# Lines outside tracebacks, by the program that writes them.
_LINES: tuple[tuple[re.Pattern[str], Cause, Weight], ...] = tuple(
    (re.compile(pattern), cause, weight)
    for pattern, cause, weight in (
        (
            rf"^{_SLURM}(?:oom[-_ ]kill|out-of-memory handler|Out [Oo]f [Mm]emory|memory limit"
            r"|Memory limit)",
            Cause.HOST_MEMORY,
            Weight.SPECIFIC,
        ),
        (
            r"^(?:\[[\d. ]+\] ?|\w{3} +\d+ [\d:]+ \S+ kernel: .*)"
            r"(?:Out of memory: Kill|Memory cgroup out of memory|oom-kill:)",
            Cause.HOST_MEMORY,
            Weight.SPECIFIC,
        ),
        (
            r"^(?:terminate called[^\n]*|  what\(\):\s*)std::bad_alloc",
            Cause.HOST_MEMORY,
            Weight.SPECIFIC,
        ),
        (
            r"^(?:ERROR: )?Unexpected bus error encountered in worker",
            Cause.HOST_MEMORY,
            Weight.SPECIFIC,
        ),
        (
            r"NCCL WARN (?:Cuda failure (?:\d+ )?'out of memory'|Failed to CUDA calloc)",
            Cause.GPU_MEMORY,
            Weight.SPECIFIC,
        ),
        (
            r"NCCL WARN (?:Error while creating shared memory segment|Call to posix_fallocate)",
            Cause.HOST_MEMORY,
            Weight.SPECIFIC,
        ),
        (
            r"NVRM: Xid[^\n]*: (?:48|63|64|74|79|94|95|119)\b|GPU has fallen off the bus"
            r"|NCCL WARN Cuda failure (?:\d+ )?'uncorrectable",
            Cause.NODE_FAILURE,
            Weight.SPECIFIC,
        ),
        (
            rf"^{_SLURM}(?:[Nn]ode [Ff]ailure on|Prolog (?:failed|error)|launch failed"
            r"|Task launch for [^\n]*failed on node|Unable to launch|DUE TO NODE FAILURE"
            r"|task_g_set_affinity|Kill task failed)",
            Cause.NODE_FAILURE,
            Weight.SPECIFIC,
        ),
        (
            rf"^{_SLURM}(?:Socket timed out on send/recv|Unable to contact slurm controller"
            r"|Unable to confirm allocation)",
            Cause.NETWORK,
            Weight.BROKEN_LINK,
        ),
        (
            r"^(?:cp|tar|dd|rsync|cat|mkdir|mv|bash|touch|tee|write)\b[^\n]*: [^\n]*"
            r"(?:No space left on device|Disk quota exceeded)",
            Cause.DISK_FULL,
            Weight.SPECIFIC,
        ),
        (
            rf"^{_SLURM}(?:No space left on device|Disk quota exceeded)",
            Cause.DISK_FULL,
            Weight.SPECIFIC,
        ),
        (
            r"^(?:/\S+|bash|sh|slurm_script): (?:line \d+: )?\S+: (?:command not found"
            r"|No such file or directory|Permission denied)",
            Cause.CONFIG,
            Weight.ERROR,
        ),
        (
            r"^(?:slurmstepd|srun): error: (?:task \d+ )?(?:execve\(\)|couldn't exec"
            r"|[^\n]*Unable to find executable)",
            Cause.CONFIG,
            Weight.ERROR,
        ),
        (
            r"^(?:python[\d.]*|\S*/python[\d.]*): (?:can't open file|No module named)",
            Cause.CONFIG,
            Weight.ERROR,
        ),
        (
            r"^Lmod has detected the following error|^ModuleCmd_Load"
            r"|^Environment(?:Location|Name)NotFound",
            Cause.CONFIG,
            Weight.ERROR,
        ),
        (
            r"^\S+: error: (?:unrecognized arguments|the following arguments are required"
            r"|argument [^\n]*: invalid)",
            Cause.BUG,
            Weight.ERROR,
        ),
        (
            r"^(?:Fatal Python error: (?!Aborted)"
            r"|(?:\S+: (?:line \d+: )?(?:\d+ )?)?Segmentation fault"
            r"|free\(\): |malloc\(\): |double free or corruption)"
            r"|^srun: error: [^\n]*: Segmentation fault|^\*{3} SIGSEGV|^!+ Segfault encountered",
            Cause.BUG,
            Weight.ERROR,
        ),
        (
            r"ProcessGroup(?:NCCL|Gloo)\.cpp:\d+\][^\n]*(?:[Ww]atchdog (?:caught|hang)"
            r"|[Tt]imed? ?out|communicator was aborted|NCCL error)",
            Cause.NETWORK,
            Weight.BROKEN_LINK,
        ),
        (
            r"NCCL WARN (?:NET/|socketProgress|Call to (?:connect|recv|ibv_)|[^\n]*Connection)",
            Cause.NETWORK,
            Weight.BROKEN_LINK,
        ),
        (
            r"(?:socket|TCPStore)\.cpp:\d+\][^\n]*(?:failed|timed out)",
            Cause.NETWORK,
            Weight.BROKEN_LINK,
        ),
    )
)

_NOTICES: tuple[tuple[re.Pattern[str], Cause], ...] = tuple(
    (re.compile(pattern), cause)
    for pattern, cause in (
        (r"\*{3} (?:JOB|STEP) [^*]*CANCELLED AT [^*]*DUE TO PREEMPTION", Cause.PREEMPTED),
        (r"\*{3} (?:JOB|STEP) [^*]*CANCELLED AT [^*]*DUE TO TIME LIMIT", Cause.TIME_LIMIT),
        (
            r"\*{3} (?:JOB|STEP) [^*]*(?:CANCELLED|FAILED) AT [^*]*DUE TO NODE FAILURE",
            Cause.NODE_FAILURE,
        ),
        (r"\*{3} JOB [^*]*CANCELLED AT [^*]*\*{3}", Cause.CANCELLED),
    )
)

_STOP_NOTICE = re.compile(r"^(?:slurmstepd|srun|slurmd): [^\n]*(?:\*{3} |Job step aborted|got SIG)")
_LEVEL = re.compile(r"^(?:\S+ ){0,3}\[?(?:INFO|DEBUG|WARNING|WARN|NOTICE)\b")
_TRACKER = re.compile(r"^wandb: |\bwandb[.\w]*[: ]|\(\w*wandb\w*\)", re.IGNORECASE)
_WORKER = re.compile(r" ERROR \S+ orchestrator\.worker\.entry: (?P<cause>[a-z_]+): (?P<said>.*)")


def line_signs(lines: Sequence[str], within: frozenset[int]) -> list[Sign]:
    """Return what lines outside tracebacks say.

    Args:
        lines: of a log, cleaned.
        within: places of lines that belong to tracebacks.
    """
    signs: list[Sign] = []
    for place, line in enumerate(lines):
        if place in within or (line.startswith(" ") and "what()" not in line):
            continue
        sign = _worker_sign(place, line) or _line_sign(place, line)
        if sign:
            signs.append(sign)
    return signs


def notice_in(lines: Sequence[str]) -> Sign | None:
    """Return why the scheduler says that it ended the job; None if it says nothing."""
    for pattern, cause in _NOTICES:
        for place, line in enumerate(lines):
            if line.startswith(("slurmstepd: ", "srun: ", "slurmd: ")) and pattern.search(line):
                return Sign(cause=cause, weight=Weight.SPECIFIC, line=place, told=line[:300])
    return None


def first_notice(lines: Sequence[str]) -> int:
    """Return where the scheduler begins to end the job; the number of lines if it does not."""
    places = (n for n, line in enumerate(lines) if _STOP_NOTICE.match(line))
    return next(places, len(lines))


def _worker_sign(place: int, line: str) -> Sign | None:
    """Return what our own worker wrote last, in case it could not write its record."""
    found = _WORKER.search(line)
    if found is None or found["cause"] not in {cause.value for cause in Cause}:
        return None
    cause = Cause(found["cause"])
    weight = Weight.AFTERMATH if cause is Cause.STOPPED else Weight.SPECIFIC
    return Sign(cause=cause, weight=weight, line=place, told=found["said"][:300])


def _line_sign(place: int, line: str) -> Sign | None:
    if _TRACKER.search(line) or (_LEVEL.match(line) and "NCCL WARN" not in line):
        return None
    for pattern, cause, weight in _LINES:
        if pattern.search(line):
            return Sign(cause=cause, weight=weight, line=place, told=line[:300])
    return None
