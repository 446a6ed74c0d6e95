"""What a model went through, from the plan and from the configs of its runs. Reads files."""

from collections.abc import Iterator
from typing import cast

from analysis.study import PlanRun, StudyResults
from orchestrator.store.files import read_json


def way_of(study: StudyResults, run_id: str) -> Iterator[PlanRun]:
    """Yield a run and everything it stands on, nearest first."""
    waiting, seen = [run_id], {run_id}
    while waiting:
        run = study.run(waiting.pop(0))
        if run is None:
            continue
        yield run
        waiting += [need for need in run.needs if need not in seen]
        seen.update(run.needs)


def saw_images(study: StudyResults, run_id: str) -> bool:
    """Return whether a model went through image-text pre-training."""
    return any(run.stage == "image_text_pretrain" for run in way_of(study, run_id))


def config_of(study: StudyResults, run_id: str) -> dict[str, object]:
    """Return what identifies a run, as `run.json` has it; empty if it was never launched.

    Raises:
        RecordError: if the file is damaged.
    """
    path = study.folder.run(run_id).run_json
    config = read_json(path).get("config") if path.exists() else None
    return cast(dict[str, object], config) if isinstance(config, dict) else {}


def is_frozen(study: StudyResults, run_id: str) -> bool | None:
    """Return whether a model's vision encoder was frozen; None if nothing of it was launched."""
    for run in way_of(study, run_id):
        vision = config_of(study, run.run_id).get("vision")
        if isinstance(vision, dict):
            frozen = cast(dict[str, object], vision).get("frozen")
            if isinstance(frozen, bool):
                return frozen
    return None
