"""Turn a study into a plan: every distinct run once, in an order that respects what each needs.

Pure: reads no file, clock, environment or random number. The same study gives the same plan.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from orchestrator.errors import SweepError
from orchestrator.plan.chain import Chain, build_chain
from orchestrator.plan.cost import Throughput, cost
from orchestrator.plan.lineage import trained_alone, trained_once
from orchestrator.plan.plan import Axis, Cell, Feed, MadeData, Plan, PlannedRun, Saving
from orchestrator.plan.trunk import Segments, cut_trunks
from orchestrator.spec.change import value_at
from orchestrator.spec.grid import Point, points
from orchestrator.spec.run import (
    DataSource,
    Evaluate,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    Stage,
    TextPretrain,
    TowerPretrain,
    stage_of,
)
from orchestrator.spec.settings import Settings
from orchestrator.spec.study import Study

AXES_OF_STAGE = {
    Stage.TOWER_PRETRAIN: (),
    Stage.TEXT_PRETRAIN: ("model", "seed", "text_tokens", "cooldown_point"),
    Stage.IMAGE_TEXT_PRETRAIN: (
        "model",
        "seed",
        "text_tokens",
        "cooldown_point",
        "image_text_tokens",
        "image_ratio",
        "learning_rate_rule",
        "encoder",
    ),
}
"""Settings that the results table shows for each stage; later stages add to it."""

_FINETUNE_AXES = (*AXES_OF_STAGE[Stage.IMAGE_TEXT_PRETRAIN], "epochs")


@dataclass(slots=True)
class _Draft:
    """A run while the plan is put together."""

    config: RunConfig
    settings: Settings
    cells: list[Cell] = field(default_factory=list[Cell])
    arms: list[str] = field(default_factory=list[str])


def plan_study(study: Study, throughput: Throughput) -> Plan:
    """Expand every arm, merge equal runs, cut the trunks, and count what it all takes.

    Raises:
        ConfigError: if a value is out of range, unknown or missing.
        PlanError: if valid values make no sensible plan.
    """
    drafts: dict[str, _Draft] = {}
    for arm in study.arms:
        try:
            for point in points(study, arm):
                chain = build_chain(study, arm.stages, point.settings)
                _add(study, drafts, chain, point, arm.name)
        except SweepError as error:
            raise error.within(f"arms.{arm.name}") from error
    segments = cut_trunks(
        (draft.config for draft in drafts.values() if isinstance(draft.config, TextPretrain)),
        study.run_id,
    )
    _share_arms(drafts, segments)
    order = sorted(drafts, key=lambda rid: _rank(rid, drafts[rid], segments))
    runs = tuple(_planned(study, drafts[rid], segments, throughput) for rid in order)
    alone, once = trained_alone(runs), trained_once(runs)
    return Plan(
        study=study.name,
        about=study.about,
        runs=runs,
        sources=_sources(runs),
        made=_made(study, runs),
        feeds=_feeds(study),
        saving=Saving(
            tokens=alone.tokens - once.tokens,
            flops=alone.flops - once.flops,
            device_hours=alone.device_hours - once.device_hours,
        ),
        throughput=throughput.source,
    )


def needs_of(config: RunConfig, previous: str | None) -> tuple[str, ...]:
    """Return the runs that must be done before this one, in a fixed order."""
    match config:
        case TowerPretrain():
            needs = ()
        case TextPretrain():
            needs = (previous,)
        case ImageTextPretrain():
            needs = (config.trunk, config.tower)
        case Finetune() | Evaluate():
            needs = (config.parent, config.tower)
    return tuple(need for need in needs if need is not None)


def _add(study: Study, drafts: dict[str, _Draft], chain: Chain, point: Point, arm: str) -> None:
    runs: list[RunConfig | None] = [chain.tower, chain.segment, chain.branch, chain.finetune]
    for config in (*runs, *chain.evaluations):
        if config is None:
            continue
        draft = drafts.setdefault(
            study.run_id(config), _Draft(config=config, settings=point.settings)
        )
        if arm not in draft.arms:
            draft.arms.append(arm)
    cell = Cell(
        arm=arm,
        axes=tuple(_axis(name, point.settings) for name in point.axes),
    )
    cells = drafts[study.run_id(chain.subject)].cells
    if cell not in cells:
        cells.append(cell)


def _axis(name: str, settings: Settings) -> Axis:
    value = value_at(settings, name)
    assert isinstance(value, str | int | float), f"axis {name} holds {value!r}"
    return Axis(name=name, value=value)


def _share_arms(drafts: dict[str, _Draft], segments: Segments) -> None:
    """Let every earlier segment of a trunk serve the arms of the later ones."""
    for trunk in segments.trunks:
        arms: list[str] = []
        for rid in reversed(trunk):
            arms = [*drafts[rid].arms, *(arm for arm in arms if arm not in drafts[rid].arms)]
            drafts[rid].arms = arms


def _rank(rid: str, draft: _Draft, segments: Segments) -> tuple[int, int, int]:
    """Sort by stage; within trunks by where a segment ends; otherwise keep the file's order."""
    stage = list(Stage).index(stage_of(draft.config))
    if isinstance(draft.config, TextPretrain):
        return (stage, segments.trunk_index(rid), draft.config.end_tokens)
    return (stage, 0, 0)


def _planned(study: Study, draft: _Draft, segments: Segments, throughput: Throughput) -> PlannedRun:
    config = draft.config
    rid = study.run_id(config)
    stage = stage_of(config)
    previous = segments.previous(rid)
    finetune = draft.settings.stages.finetune
    return PlannedRun(
        run_id=rid,
        stage=stage,
        function=dict(study.functions)[stage],
        config=config,
        needs=needs_of(config, previous),
        previous=previous,
        cells=tuple(draft.cells),
        arms=tuple(draft.arms),
        axes=_axes(draft),
        title=_title(draft),
        cost=cost(
            config,
            throughput,
            begin_tokens=segments.begin(rid),
            tokens_per_example=finetune.tokens_per_example if finetune else 1,
        ),
    )


def _axes(draft: _Draft) -> tuple[Axis, ...]:
    config = draft.config
    if isinstance(config, Evaluate):
        names = _FINETUNE_AXES if config.vision else AXES_OF_STAGE[Stage.TEXT_PRETRAIN]
    else:
        names = AXES_OF_STAGE.get(stage_of(config), _FINETUNE_AXES)
    settings = draft.settings
    known = [name for name in names if value_at(settings, name) is not None]
    axes = tuple(_axis(name, settings) for name in known)
    return (
        (*axes, Axis(name="suite", value=config.suite.name))
        if isinstance(config, Evaluate)
        else axes
    )


def _title(draft: _Draft) -> str:
    """Say what the run is: model, seed, and what its stage varies."""
    shown = {axis.name: axis.value for axis in _axes(draft)}
    stage = stage_of(draft.config)
    if stage is Stage.TOWER_PRETRAIN:
        return f"vision tower, seed {draft.config.seed}"
    words = [str(shown["model"])]
    if "cooldown_point" in shown:
        words.append(f"at {float(shown['cooldown_point']):.0%}")
    if "image_ratio" in shown:
        words += [f"images {float(shown['image_ratio']):.0%}", str(shown["learning_rate_rule"])]
    if "epochs" in shown:
        words.append(f"{shown['epochs']} epochs")
    if "suite" in shown:
        words.append(str(shown["suite"]))
    return ", ".join([*words, f"seed {shown['seed']}"])


def _sources(runs: Iterable[PlannedRun]) -> tuple[DataSource, ...]:
    sources = {source for run in runs for source in sources_of(run.config)}
    return tuple(sorted(sources, key=lambda source: (source.name, source.version)))


def sources_of(config: RunConfig) -> tuple[DataSource, ...]:
    """Return the data that a run reads."""
    match config:
        case TowerPretrain():
            sources = (config.scenes, *config.features_of)
        case TextPretrain():
            sources = (config.text, config.val_text)
        case ImageTextPretrain():
            sources = (config.text, config.captions, config.val_text, config.val_captions)
        case Finetune():
            sources = (config.instructions, config.val_text, config.val_captions)
        case Evaluate():
            sources = (config.suite.data,)
    return tuple(source for source in sources if source is not None)


def _made(study: Study, runs: tuple[PlannedRun, ...]) -> tuple[MadeData, ...]:
    used = {source.collection for source in _sources(runs)}
    return tuple(
        MadeData(
            name=collection.name,
            version=collection.version,
            recipe=collection.recipe,
            options=collection.options,
        )
        for collection in study.data
        if collection.recipe is not None and collection.name in used
    )


def _feeds(study: Study) -> tuple[Feed, ...]:
    names = sorted({name for arm in study.arms for name in arm.feeds})
    return tuple(
        Feed(name=name, arms=tuple(arm.name for arm in study.arms if name in arm.feeds))
        for name in names
    )


def narrow(plan: Plan, arms: tuple[str, ...]) -> Plan:
    """Return the plan with the runs that serve at least one of some arms."""
    return replace(plan, runs=tuple(run for run in plan.runs if set(run.arms) & set(arms)))
