"""One process of OpenLM's trainer: started, watched, ended."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from orchestrator.errors import ConfigError
from orchestrator.store.world import World

PYTHON_VARIABLE = "OPEN_LM_PYTHON"
"""Environment variable with the path of a Python that has open_lm. Its loader needs an older
webdataset than we do."""

_IS_THERE = "import importlib.util, sys; sys.exit(importlib.util.find_spec('open_lm') is None)"

LOOK_SECONDS = 0.5
"""Between two looks at what the trainer has written."""

PATIENCE_SECONDS = 30.0
"""Given to a process that is asked to end, before it is killed."""

_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class Ending(StrEnum):
    """How a process ended."""

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


def environment(world: World, threads: int) -> dict[str, str]:
    """Return the environment of one process.

    Without Slurm's variables, of which OpenLM would make another world. Its own checkpoints hold
    learning rates as NumPy numbers, which torch loads only when told to.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    kept |= {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1", "OMP_NUM_THREADS": str(threads)}
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        kept.pop(name, None)
    if world.size > 1:
        kept |= {
            "RANK": str(world.rank),
            "WORLD_SIZE": str(world.size),
            "LOCAL_RANK": str(world.local_rank),
            "MASTER_ADDR": world.address,
            "MASTER_PORT": str(world.port + 1),  # ours is taken by the processes that watch
        }
    return kept


def run(
    arguments: Sequence[str],
    environment: dict[str, str],
    *,
    has_reached: Callable[[], bool],
    is_to_stop: Callable[[], bool],
) -> Ending:
    """Train until something is reached, a stop is asked for, or the trainer leaves.

    Args:
        arguments: of `python -m open_lm.main`.
        environment: of the process; what it prints goes where ours does.
        has_reached: whether what is waited for is there.
        is_to_stop: whether to stop now.
    """
    if has_reached():
        return Ending.REACHED
    command = [interpreter(), "-m", "open_lm.main", *arguments]
    child = subprocess.Popen(command, env=environment, preexec_fn=_die_with_parent)
    try:
        while child.poll() is None:
            if has_reached():
                return Ending.REACHED
            if is_to_stop():
                return Ending.STOPPED
            time.sleep(LOOK_SECONDS)
    finally:
        _end(child)
    return Ending.REACHED if has_reached() else Ending.LEFT


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
