"""Table 2: the models of a study and the device hours that they were planned to take, and took."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from analysis.intervals import Estimate
from analysis.published import published_table
from analysis.study import PlanRun, StudyResults
from analysis.tables.lineage import config_of
from analysis.tables.tabulated import Entry, Row, Tabulated, Unit
from orchestrator.errors import RecordError
from orchestrator.store.attempts import attempt_numbers, read_exit

NAME = "table_2"
STAGES = {
    "text_pretrain": "text hours",
    "image_text_pretrain": "image-text hours",
    "finetune": "fine-tuning hours",
    "evaluate": "evaluation hours",
}
"""Stage -> column of its hours over the whole study."""
TRUNK = "trunk hours"
COLUMNS = {
    "N": Unit.COUNT,
    "N with embeddings": Unit.COUNT,
    "layers": Unit.COUNT,
    "heads": Unit.COUNT,
    "d_model": Unit.COUNT,
    "d_head": Unit.COUNT,
    "warm-up steps": Unit.COUNT,
    "peak LR": Unit.RATE,
    "batch (sequences)": Unit.COUNT,
    "trunk tokens": Unit.COUNT,
    TRUNK: Unit.HOURS,
    **dict.fromkeys(STAGES.values(), Unit.HOURS),
}
"""Column -> what it holds."""
_PUBLISHED = {
    "params": "N with embeddings",
    "layers": "layers",
    "heads": "heads",
    "d_model": "d_model",
    "d_head": "d_head",
    "warmup_steps": "warm-up steps",
    "peak_learning_rate": "peak LR",
    "batch_sequences": "batch (sequences)",
    "trunk_tokens": "trunk tokens",
    "a100_hours": TRUNK,
}
"""Quantity of the published table -> column."""


def tabulate(study: StudyResults) -> Tabulated:
    """Tabulate each model's shape, its longest trunk, and hours by stage, planned and measured.

    Raises:
        RecordError: if the study plans no trunk, or a run's files are damaged.
    """
    trunks = [run for run in study.runs if run.stage == "text_pretrain"]
    models = dict.fromkeys(run.text("model") or "" for run in trunks)
    if not models:
        raise RecordError("the study trains no text trunk", NAME, "plan a stage text_pretrain")
    size = {run.text("model") or "": run.number("params") or 0.0 for run in trunks}
    rows: list[Row] = []
    for model in sorted(models, key=lambda name: size[name]):
        own = [run for run in study.runs if run.text("model") == model]
        longest = _longest_trunk([run for run in trunks if run.text("model") == model])
        planned = _hours(own, longest, {run.run_id: _planned(run) for run in own})
        rows.append(
            Row(label=f"{model}, planned", entries={**_shape(study, longest[-1]), **planned})
        )
        measured = _hours(own, longest, {run.run_id: _measured(study, run) for run in own})
        rows.append(Row(label=f"{model}, measured", entries=measured))
    return Tabulated(
        name=NAME,
        title="Models and device hours",
        caption="Trunk: the longest text pre-training of the first seed. Hours by stage are over "
        f"the whole study. Planned hours: {study.plan.get('throughput')}. Measured hours: time in "
        "the stages of every attempt that ended, times the devices planned for the run. Published "
        "hours are of A100s.",
        heading="model",
        columns=tuple(COLUMNS),
        rows=(*rows, *_published_rows()),
    )


def _longest_trunk(trunks: Sequence[PlanRun]) -> list[PlanRun]:
    """Return the segments of the trunk with the most tokens, of the lowest seed, in order."""

    def key(run: PlanRun) -> tuple[float, float]:
        return (-(run.number("text_tokens") or 0.0), run.number("seed") or 0.0)

    best = min(key(run) for run in trunks)
    return sorted(
        (run for run in trunks if key(run) == best),
        key=lambda run: run.number("cooldown_point") or 0.0,
    )


def _shape(study: StudyResults, last: PlanRun) -> dict[str, Entry]:
    """Return what the plan and the run's config say of a model; what neither says is missing."""
    config = config_of(study, last.run_id)
    model = cast(Mapping[str, float], config.get("model") or {})
    batch = config.get("batch_tokens")
    known: dict[str, float | None] = {
        "N": last.number("params"),
        "N with embeddings": last.number("params_total"),
        "layers": model.get("depth"),
        "heads": model.get("heads"),
        "d_model": model.get("width"),
        "d_head": model["width"] // model["heads"] if model else None,
        **_schedule(config),
        "batch (sequences)": batch / model["seq_len"] if isinstance(batch, int) else None,
        "trunk tokens": last.number("text_tokens"),
    }
    why = (f"{last.title} (never launched, so that its config is not on disk)",)
    return {
        name: Entry(
            unit=COLUMNS[name],
            estimate=None if value is None else _exactly(value, "as planned"),
            missing=why if value is None else (),
            run_ids=(last.run_id,),
        )
        for name, value in known.items()
    }


def _schedule(config: Mapping[str, object]) -> dict[str, float | None]:
    """Return warm-up steps and peak of a trunk's learning rate."""
    schedule, batch = config.get("schedule"), config.get("batch_tokens")
    if not isinstance(schedule, dict) or not isinstance(batch, int):
        return {"warm-up steps": None, "peak LR": None}
    phases = cast(list[Mapping[str, object]], cast(dict[str, object], schedule)["phases"])
    warmup = sum(cast(int, p["length"]) for p in phases if p["shape"] == "warmup")
    peak = max(cast(float, end) for phase in phases for end in (phase["start"], phase["end"]))
    return {"warm-up steps": warmup / batch, "peak LR": peak}


def _hours(
    own: Iterable[PlanRun], trunk: Sequence[PlanRun], hours: Mapping[str, float | None]
) -> dict[str, Entry]:
    """Add up hours of the trunk and of each stage; runs without any are named as missing."""
    groups = {TRUNK: list(trunk)}
    for run in own:
        if run.stage in STAGES:
            groups.setdefault(STAGES[run.stage], []).append(run)
    entries: dict[str, Entry] = {}
    for column, runs in groups.items():
        known = [value for run in runs if (value := hours[run.run_id]) is not None]
        lacking = len(runs) - len(known)
        entries[column] = Entry(
            unit=Unit.HOURS,
            estimate=_exactly(sum(known), f"sum over {len(known)} runs") if known else None,
            missing=(f"{column}: {lacking} of {len(runs)} runs took no time yet",)
            if lacking
            else (),
            run_ids=tuple(run.run_id for run in runs if hours[run.run_id] is not None),
        )
    return entries


def _planned(run: PlanRun) -> float | None:
    return run.number("device_hours")


def _measured(study: StudyResults, run: PlanRun) -> float | None:
    """Return the device hours of a run's ended attempts; None if there are none."""
    folder = study.folder.run(run.run_id)
    exits = [read_exit(folder.attempt(number)) for number in attempt_numbers(folder)]
    seconds = [ending.seconds for ending in exits if ending is not None]
    return sum(seconds) / 3600 * (run.number("devices") or 1.0) if seconds else None


def _published_rows() -> tuple[Row, ...]:
    found: dict[str, dict[str, Entry]] = {}
    source = ""
    for value in published_table(2).to_dict("records"):
        column = _PUBLISHED[str(value["quantity"])]
        found.setdefault(str(value["model"]), {})[column] = Entry(
            unit=COLUMNS[column],
            estimate=_exactly(float(value["value"]), "as published"),
            place=str(value["row"]),
        )
        source = f"{value['source']}, table {value['table']}"
    return tuple(Row(label=name, entries=own, source=source) for name, own in found.items())


def _exactly(value: float, method: str) -> Estimate:
    return Estimate(value=float(value), low=None, high=None, n=1, method=method)
