"""One process of OpenLM's trainer: started, watched together with the others, ended."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from orchestrator.errors import ConfigError
from orchestrator.spec.execution import Device, Execution
from orchestrator.store.world import World

PYTHON_VARIABLE = "OPEN_LM_PYTHON"
"""Environment variable with the path of a Python that has open_lm. Its loader needs an older
webdataset than we do."""

_IS_THERE = "import importlib.util, sys; sys.exit(importlib.util.find_spec('open_lm') is None)"

LOOK_SECONDS = 0.5
"""Between two looks at what the trainer has written."""

PATIENCE_SECONDS = 30.0
"""Given to a process that is asked to end, before it is killed."""

WRITING_SECONDS = 600.0
"""Given to the other trainers once one has left without error, as those do that need not write."""

_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class Ending(StrEnum):
    """How a process ended. Where processes differ, the first of these is how all end."""

    REACHED = "reached"
    """It wrote what was waited for, and was ended if it had not."""
    STOPPED = "stopped"
    """It was asked to stop."""
    LEFT = "left"
    """It ended of itself without that."""


def interpreter() -> str:
    """Return the Python that has the trainer: our own, or the one that `PYTHON_VARIABLE` names."""
    return os.environ.get(PYTHON_VARIABLE) or sys.executable


def require_open_lm() -> None:
    """See that the trainer is installed.

    Raises:
        ConfigError: with the way to install it.
    """
    python = interpreter()
    try:
        found = subprocess.run([python, "-c", _IS_THERE], capture_output=True, check=False)
        is_there = found.returncode == 0
    except OSError:
        is_there = False
    if not is_there:
        raise ConfigError(
            f"{python} has no open_lm; it is on no package index",
            where="functions.text_pretrain",
            mend="pip install 'open_lm @ git+https://github.com/mlfoundations/open_lm' "
            f"'webdataset<1' in an environment of its own, and name its Python in "
            f"{PYTHON_VARIABLE}; or leave the function out: our own trainer does without",
        )


def environment(world: World, execution: Execution, port: int) -> dict[str, str]:
    """Return the environment of one process.

    Without Slurm's variables, of which OpenLM would make another world. Its own checkpoints hold
    learning rates as NumPy numbers, which torch loads only when told to.

    Args:
        world: this process among the others.
        execution: its device, and the threads that it computes with. OpenLM takes a GPU where it
            sees one.
        port: on which the first trainer gathers the others; `world.port` is that of ours.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    kept |= {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1", "OMP_NUM_THREADS": str(execution.threads)}
    if execution.device is Device.CPU:
        kept["CUDA_VISIBLE_DEVICES"] = ""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        kept.pop(name, None)
    if world.size > 1:
        kept |= {
            "RANK": str(world.rank),
            "WORLD_SIZE": str(world.size),
            "LOCAL_RANK": str(world.local_rank),
            "MASTER_ADDR": world.address,
            "MASTER_PORT": str(port),
        }
    return kept


def run(
    arguments: Sequence[str],
    environment: dict[str, str],
    *,
    has_reached: Callable[[], bool],
    is_to_stop: Callable[[], bool],
    everyones: Callable[[Ending | None], list[Ending | None]],
) -> Ending:
    """Train until something is reached, a stop is asked for, or a trainer leaves.

    All processes end together: a trainer whose fellow is gone would wait for it.

    Args:
        arguments: of `python -m open_lm.main`.
        environment: of the process; what it prints goes where ours does.
        has_reached: whether what is waited for is there.
        is_to_stop: whether to stop now.
        everyones: what each process sees, from what this one sees; called by all in step.
    """
    command = [interpreter(), "-m", "open_lm.main", *arguments]
    if ending := _common(everyones(Ending.REACHED if has_reached() else None)):
        return ending
    child = subprocess.Popen(command, env=environment, preexec_fn=_die_with_parent)
    left_at: float | None = None
    try:
        while True:
            code = child.poll()  # before the look: it may have left the file behind
            own = Ending.LEFT if code else None
            if code == 0:
                left_at = left_at or time.monotonic()
                is_first = environment.get("RANK", "0") == "0"
                if is_first or time.monotonic() - left_at > WRITING_SECONDS:
                    own = Ending.LEFT
            if has_reached():
                own = Ending.REACHED
            elif is_to_stop():
                own = Ending.STOPPED
            if ending := _common(everyones(own)):
                return ending
            time.sleep(LOOK_SECONDS)
    finally:
        _end(child)


def _common(endings: Sequence[Ending | None]) -> Ending | None:
    """Return how all end; None while none does."""
    return next((ending for ending in Ending if ending in endings), None)


def _die_with_parent() -> None:
    """Make the trainer end with us even if we are killed: two would write one folder."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
