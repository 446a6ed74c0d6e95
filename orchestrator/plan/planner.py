"""Turn a study into a plan: every distinct run once, in an order that respects what each needs.

Pure: reads no file, clock, environment or random number. The same study gives the same plan.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from orchestrator.errors import SweepError
from orchestrator.plan.budget import resolved
from orchestrator.plan.chain import Chain, Chains, Named
from orchestrator.plan.columns import Columns
from orchestrator.plan.cost.pricer import Pricer
from orchestrator.plan.cost.throughput import Machine
from orchestrator.plan.lineage import saving
from orchestrator.plan.memo import Memo
from orchestrator.plan.plan import Cell, Feed, MadeData, Plan, PlannedArm, PlannedRun
from orchestrator.plan.sources import sources_of
from orchestrator.plan.trunk import Segment, cut_trunks, partings
from orchestrator.spec.grid import check_size, points
from orchestrator.spec.run import (
    Average,
    Evaluate,
    Filter,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    Stage,
    TextPretrain,
    TowerPretrain,
    stage_of,
)
from orchestrator.spec.settings import Settings
from orchestrator.spec.source import DataSource
from orchestrator.spec.study import Arm, Study

_RANKS = {stage: float(rank) for rank, stage in enumerate(Stage)}
_AFTER_FILTER = _RANKS[Stage.FILTER] + 0.5
"""Place of branches on filtered data: after the filters, which come after other branches."""
_TRUNK_AFTER_FILTER = _RANKS[Stage.FILTER] + 0.25
"""Place of trunks on filtered text: between their filters and their branches."""


@dataclass(slots=True)
class _Draft:
    """A run while the plan is put together."""

    run: Named
    settings: Settings
    subject: RunConfig
    cells: list[Cell] = field(default_factory=list[Cell])
    arms: list[str] = field(default_factory=list[str])


def plan_study(study: Study, machine: Machine) -> Plan:
    """Expand every arm, merge equal runs, cut the trunks, and count what it all takes.

    Args:
        study: what is declared.
        machine: what it is planned for; it decides costs and nothing else.

    Raises:
        ConfigError: if a value is out of range, unknown or missing.
        PlanError: if valid values make no sensible plan.
    """
    check_size(study)
    memo = Memo()
    columns = Columns(study, memo)
    chains = Chains(study, memo)
    drafts: dict[str, _Draft] = {}
    for arm in study.arms:
        try:
            _expand(study, arm, chains, columns, drafts)
        except SweepError as error:
            raise error.within(f"arms.{arm.name}") from error
    _add_partings(chains, drafts)
    segments = cut_trunks(_segments(drafts).items())
    _share_arms(drafts, segments)
    order = sorted(drafts, key=lambda rid: _rank(drafts[rid].run, segments))
    functions = dict(study.functions)
    pricer = Pricer(machine)
    runs = tuple(
        _planned(drafts[rid], segments.get(rid), functions, columns, pricer) for rid in order
    )
    sources = _sources(runs)
    return Plan(
        study=study.name,
        about=study.about,
        runs=runs,
        sources=sources,
        made=_made(study, sources),
        arms=tuple(
            PlannedArm(name=arm.name, group=arm.group, feeds=arm.feeds) for arm in study.arms
        ),
        feeds=_feeds(study),
        saving=saving(runs),
        throughput=machine.throughput.source,
        columns=columns.names,
    )


def needs_of(config: RunConfig, previous: str | None) -> tuple[str, ...]:
    """Return the runs that must be done before this one, in a fixed order."""
    match config:
        case TowerPretrain():
            needs = ()
        case TextPretrain():
            needs = (previous, config.text_from)
        case ImageTextPretrain():
            needs = (config.trunk, config.captions_from, config.text_from, config.tower)
        case Average():
            needs = (*config.members, config.tower)
        case Filter() | Finetune() | Evaluate():
            needs = (config.parent, config.tower)
    return tuple(need for need in needs if need is not None)


def _expand(
    study: Study, arm: Arm, chains: Chains, columns: Columns, drafts: dict[str, _Draft]
) -> None:
    """Add the runs of an arm's points to those of the arms before it."""
    for point in points(study, arm):
        settings = resolved(point.settings, chains.model(point.settings).config, chains.memo)
        chain = chains.of(arm.stages, settings)
        _add(drafts, chain, settings, arm.name)
        cell = Cell(arm=arm.name, axes=columns.axes(point.axes, settings))
        cells = drafts[chain.subject.run_id].cells
        if cell not in cells:
            cells.append(cell)


def _add(drafts: dict[str, _Draft], chain: Chain, settings: Settings, arm: str) -> None:
    for run in chain.runs:
        draft = drafts.get(run.run_id)
        if draft is None:
            draft = drafts[run.run_id] = _Draft(
                run=run, settings=settings, subject=chain.subject.config
            )
        if not draft.arms or draft.arms[-1] != arm:  # arms come one after the other
            draft.arms.append(arm)


def _segments(drafts: dict[str, _Draft]) -> dict[str, TextPretrain]:
    return {
        rid: draft.run.config
        for rid, draft in drafts.items()
        if isinstance(draft.run.config, TextPretrain)
    }


def _add_partings(chains: Chains, drafts: dict[str, _Draft]) -> None:
    """Add the segments at whose ends trunks part that share their first part."""
    named = {config: rid for rid, config in _segments(drafts).items()}
    for new, one in partings(named):
        settings = drafts[named[one]].settings
        trunk = settings.stages.text_pretrain
        assert trunk is not None, "a segment's stage is declared"
        point = new.end_tokens / trunk.tokens.count
        run = chains.named(new)
        drafts[run.run_id] = _Draft(
            run=run, settings=replace(settings, cooldown_point=point), subject=new
        )


def _share_arms(drafts: dict[str, _Draft], segments: dict[str, Segment]) -> None:
    """Let every earlier segment of a trunk serve the arms of the later ones."""
    ends = {rid: _end(drafts[rid].run) for rid in segments}
    for rid in sorted(segments, key=lambda rid: -ends[rid]):
        previous = segments[rid].previous
        if previous is not None:
            arms = drafts[previous].arms
            arms += [arm for arm in drafts[rid].arms if arm not in arms]


def _end(run: Named) -> int:
    return run.config.end_tokens if isinstance(run.config, TextPretrain) else 0


def _rank(run: Named, segments: dict[str, Segment]) -> tuple[float, int, int]:
    """Sort by stage; within trunks by where a segment ends; otherwise keep the file's order."""
    config = run.config
    if isinstance(config, ImageTextPretrain) and (config.captions_from or config.text_from):
        return (_AFTER_FILTER, 0, 0)
    segment = segments.get(run.run_id)
    trunk = segment.trunk if segment else 0
    if isinstance(config, TextPretrain) and config.text_from:
        return (_TRUNK_AFTER_FILTER, trunk, _end(run))
    return (_RANKS[stage_of(run.config)], trunk, _end(run))


def _planned(
    draft: _Draft,
    segment: Segment | None,
    functions: dict[Stage, str],
    columns: Columns,
    pricer: Pricer,
) -> PlannedRun:
    config = draft.run.config
    stage = stage_of(config)
    previous = segment.previous if segment else None
    finetune = draft.settings.stages.finetune
    return PlannedRun(
        run_id=draft.run.run_id,
        stage=stage,
        function=functions[stage],
        config=config,
        needs=needs_of(config, previous),
        previous=previous,
        cells=tuple(draft.cells),
        arms=tuple(draft.arms),
        axes=columns.of(config, draft.settings, draft.subject),
        cost=pricer.cost(
            config,
            begin_tokens=segment.begin_tokens if segment else 0,
            tokens_per_example=finetune.tokens_per_example if finetune else 1,
        ),
    )


def _sources(runs: Iterable[PlannedRun]) -> tuple[DataSource, ...]:
    sources = {id(source): source for run in runs for source in sources_of(run.config)}
    different = set(sources.values())
    return tuple(sorted(different, key=lambda source: (source.name, source.version)))


def _made(study: Study, sources: tuple[DataSource, ...]) -> tuple[MadeData, ...]:
    used = {source.collection for source in sources}
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
