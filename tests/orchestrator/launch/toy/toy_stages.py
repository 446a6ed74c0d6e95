"""Stages that learn nothing: a chain of hashes, so that each step depends on all before it.

Environment variables slow them down or let them fail, and `TOY_GATE` names a folder in which each
run leaves a file per executed step, to count work that was done twice.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.errors import DataError
from orchestrator.spec.codec import encode
from orchestrator.spec.identity import canonical_json
from orchestrator.store.files import write_json
from orchestrator.store.stage import (
    DivergedError,
    Measure,
    Progress,
    StageContext,
    StageResult,
    StoppedError,
)

STEPS = 4
CHECKPOINT_EVERY = 2


def make(options: dict[str, object], folder: Path, report: Callable[[str], None]) -> None:
    """The recipe of the toy data."""
    report(f"making {len(options)} options")
    for part in ("text", "captions", "instructions", "benchmarks"):
        folder.joinpath(part).mkdir(parents=True, exist_ok=True)
    write_json(folder / "dataset.json", {})


def warm_up() -> None:
    """What a warm worker pays once."""
    time.sleep(float(os.environ.get("TOY_WARM_SECONDS", "0")))


def train(context: StageContext) -> StageResult:
    """Hash for some steps, with checkpoints, from where an earlier attempt stopped."""
    fail(context)
    state, step = resume(context)
    for now in range(step + 1, STEPS + 1):
        if context.stop_requested():
            save(context, state, now - 1)
            raise StoppedError
        time.sleep(seconds_of_step(context))
        count(context, now)
        state = hashlib.sha256(f"{state}/{now}".encode()).hexdigest()
        loss = int(state[:8], 16) / 2**32
        context.report(Progress(step=now, steps=STEPS, position=now * 64, loss=loss))
        if now % CHECKPOINT_EVERY == 0:
            save(context, state, now)
    value = int(state[:8], 16) / 2**32
    measure = Measure(suite="loss", benchmark="toy", metric="nats_per_token", value=value)
    return StageResult(measures=(measure,), counts={"steps": STEPS})


def seconds_of_step(context: StageContext) -> float:
    """Return how long a step takes: `TOY_STEP_SECONDS`, for one run as `TOY_SLOW` says."""
    who, _, seconds = os.environ.get("TOY_SLOW", "").partition(":")
    if who == context.folder.run_id:
        return float(seconds)
    return float(os.environ.get("TOY_STEP_SECONDS", "0"))


def resume(context: StageContext) -> tuple[str, int]:
    """Return the state after the last checkpoint, or what the parents left."""
    path = context.folder.artifacts / "state.json"
    if path.exists():
        saved = json.loads(path.read_text())
        context.resumed(saved["step"])
        return saved["state"], saved["step"]
    record = json.loads(context.folder.run_json.read_text())
    parents = [context.parent(parent).result.read_text() for parent in record["needs"]]
    return "/".join([canonical_json(encode(context.config)), *parents]), 0


def save(context: StageContext, state: str, step: int) -> None:
    """Write a checkpoint."""
    write_json(context.folder.artifacts / "state.json", {"state": state, "step": step})


def count(context: StageContext, step: int) -> None:
    """Leave a mark for a step that was done."""
    gate = os.environ.get("TOY_GATE")
    if gate:
        with Path(gate, f"{context.folder.run_id}.{step}").open("a") as marks:
            marks.write("x")


def fail(context: StageContext) -> None:
    """Fail in the way that `TOY_FAIL` says for this run or its stage, `run_id:way`."""
    who, _, way = os.environ.get("TOY_FAIL", "").partition(":")
    record = json.loads(context.folder.run_json.read_text())
    if who not in (record["stage"], record["run_id"]):
        return
    if way == "data":
        raise DataError("the toy is broken", "toy", "mend the toy")
    if way == "bug":
        raise ZeroDivisionError("a bug of the toy")
    if way == "diverged":
        raise DivergedError("loss is nan at step 3")
    if way == "disk":
        raise OSError(28, "No space left on device")
    if way == "memory":
        raise MemoryError
    if way == "kill":
        os.kill(os.getpid(), 9)
