"""Look at this machine: packages, devices, the results folder, disk, quota, clocks, code."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from orchestrator.doctor.finding import Finding, doubt, well, wrong
from orchestrator.launch.local import usable_cpus, visible_gpus
from orchestrator.launch.snapshot import code_state
from orchestrator.spec.execution import Device
from orchestrator.worker.code import PROJECT

NEEDED = ("torch", "omegaconf", "submitit", "webdataset", "pandas", "scipy", "matplotlib")
"""Packages that every study needs; import names."""

CLOCK_SKEW_SECONDS = 120.0
"""How far clocks may lie apart. An assumption: a holder of a run counts as gone after three minutes
without a sign of life (`worker.lease`), and its signs carry another machine's time."""

RESERVE_BYTES = 5_000_000_000
"""Free space below which one is warned, if nothing is known of the study. An assumption."""


def check_packages() -> Iterator[Finding]:
    """Say which of the needed packages are not there."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        yield wrong("packages", f"not installed: {', '.join(missing)}", "pip install -e .")
    else:
        yield well("packages", f"torch {metadata.version('torch')} and the others are installed")


def check_devices(device: Device) -> Iterator[Finding]:
    """Say what runs of this machine compute on."""
    gpus = visible_gpus()
    if device is Device.CUDA and not gpus:
        mend = "launch on a machine with a GPU, or with --profile, or with --device cpu"
        yield wrong("devices", "no GPU is visible here", mend)
    else:
        yield well("devices", f"{usable_cpus()} CPUs, {len(gpus)} GPUs")


def check_results(results: Path, wanted_bytes: int | None) -> Iterator[Finding]:
    """See whether results can be written, there is room for them, and files have the right time.

    Args:
        results: folder of results folders; it need not exist.
        wanted_bytes: what the study's checkpoints take at most; None if no study is asked about.
    """
    place = next(path for path in (results, *results.parents) if path.is_dir())
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".sweep-doctor.") as file:
            skew = Path(file.name).stat().st_mtime - time.time()
    except OSError as error:
        mend = "give --results a folder that you may write in"
        yield wrong("results", f"{place} cannot be written in ({error.strerror})", mend)
        return
    yield well("results", f"{place} can be written in")
    if abs(skew) > CLOCK_SKEW_SECONDS:
        what = f"files get a time that is {abs(skew):.0f} s off this machine's clock"
        yield wrong("clock", what, "let the file server follow the same time server (NTP)")
    yield from _space(place, wanted_bytes)
    yield from _quota()


def _space(place: Path, wanted_bytes: int | None) -> Iterator[Finding]:
    free = shutil.disk_usage(place).free
    least = RESERVE_BYTES if wanted_bytes is None else wanted_bytes
    said = f"{free / 1e9:,.1f} GB are free at {place}"
    if wanted_bytes is not None:
        said += f"; the study's checkpoints take up to {wanted_bytes / 1e9:,.1f} GB"
    if free < least:
        mend = "free some space, or launch a part of the study and use sweep gc between"
        yield (wrong if wanted_bytes is not None else doubt)("disk", said, mend)
    else:
        yield well("disk", said)
    if os.statvfs(place).f_files and os.statvfs(place).f_favail < 10_000:
        mend = "remove some files: a run has about twenty"
        yield wrong("disk", f"{os.statvfs(place).f_favail} files can still be made", mend)


def _quota() -> Iterator[Finding]:
    """Ask quota(1), where it is installed: a star marks what is used up."""
    if shutil.which("quota") is None:
        return
    try:
        done = subprocess.run(
            ["quota", "--no-wrap"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        yield doubt("quota", "quota(1) does not answer")
        return
    spent = [line.split()[0] for line in done.stdout.splitlines() if "*" in line]
    if spent:
        yield wrong("quota", f"used up on {', '.join(spent)}", "free some space there")
    elif done.stdout.strip():
        yield well("quota", "none is used up")


def check_code() -> Iterator[Finding]:
    """Say which code jobs would run."""
    state = code_state(PROJECT)
    if state.version is None:
        yield doubt("code", "git does not know this code: results will not say which it was")
    elif state.version.endswith("-dirty"):
        what = f"{state.version}: files differ from the commit"
        yield doubt("code", what, "commit first, so that others can run the same")
    else:
        yield well("code", state.version)
    if state.untracked:
        named = ", ".join(state.untracked[:5])
        what = f"git does not track {named}: jobs of a cluster run without them"
        yield wrong("code", what, "git add them, or launch with --no-snapshot")
