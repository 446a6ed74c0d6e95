"""From one point of a grid to the runs it needs, from vision tower to evaluations. Pure."""

import itertools
from dataclasses import dataclass
from typing import TypeVar

from orchestrator.errors import ConfigError, PlanError
from orchestrator.plan.memo import Memo
from orchestrator.plan.reading import check_mixture, check_reading
from orchestrator.plan.sources import Sources
from orchestrator.spec.change import changed
from orchestrator.spec.identity import Namer
from orchestrator.spec.model import Encoder, VisionConfig
from orchestrator.spec.rate import branch_schedule
from orchestrator.spec.run import (
    Average,
    Evaluate,
    Filter,
    Filtered,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    Soup,
    Stage,
    TextPretrain,
    TowerPretrain,
    check_batches,
)
from orchestrator.spec.schedule import Schedule
from orchestrator.spec.settings import Settings, TextPretrainSettings
from orchestrator.spec.source import DataSource
from orchestrator.spec.study import NamedModel, Study
from orchestrator.spec.suite import SuiteConfig, SuiteKind

T = TypeVar("T")

_SEEING = {Stage.IMAGE_TEXT_PRETRAIN, Stage.FINETUNE}
"""Stages whose models see images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A run with its name."""

    run_id: str
    """Content-derived name."""
    config: RunConfig
    """What identifies it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The runs of one point, parents first."""

    runs: tuple[Named, ...]
    """Each once."""
    subject: Named
    """The model that the point is about: its last run that makes one."""


class Chains:
    """Puts together the runs of a study's points; what points share is made once."""

    def __init__(self, study: Study, memo: Memo) -> None:
        self.study = study
        self.memo = memo
        self.sources = Sources(study)
        self.models = {model.name: model for model in study.models}
        self.encoders = {encoder.name: encoder.config for encoder in study.encoders}
        self.suites = {suite.name: suite for suite in study.suites}
        self._namer = Namer(dict(study.functions))

    def named(self, config: RunConfig) -> Named:
        """Name a run."""
        return Named(run_id=self._namer.run_id(config), config=config)

    def model(self, settings: Settings) -> NamedModel:
        """Return the model of a point."""
        return self.models[settings.model or ""]

    def of(self, stages: tuple[Stage, ...], settings: Settings) -> Chain:
        """Return the runs that one point needs.

        Args:
            stages: what its model goes through.
            settings: what holds there, budgets resolved.

        Raises:
            ConfigError: if a stage, model, encoder, suite or collection is not declared, or a
                budget is no whole number of steps.
            PlanError: if the point trains nothing, or its values do not go together.
        """
        return _Point(self, stages, settings).chain()


class _Point:
    """Holds one point while its chain is put together, parents first."""

    def __init__(self, chains: Chains, stages: tuple[Stage, ...], settings: Settings) -> None:
        self.chains = chains
        self.memo = chains.memo
        self.stages = stages
        self.settings = settings
        self.model = chains.model(settings).config
        self.runs: list[Named] = []
        self.vision = self._vision()
        self.tower: Named | None = None

    def chain(self) -> Chain:
        segment = self._read_segment()
        self.tower = self._kept(self._tower())
        branch = self._kept(self._branch(segment))
        subject = self._average(branch or segment)
        subject = subject or self._kept(self.finetune(branch or segment)) or branch or segment
        if subject is None:
            raise PlanError(
                f"cooldown_point {self.settings.cooldown_point} of model {self.settings.model} "
                "trains nothing",
                where="arms",
                mend="add image_text_pretrain to the arm's stages, or a cooldown point above 0",
            )
        self.runs += self._evaluations(subject, branch)
        return Chain(runs=tuple(self.runs), subject=subject)

    def _kept(self, run: Named | None) -> Named | None:
        if run is not None:
            self.runs.append(run)
        return run

    def _read_segment(self) -> Named | None:
        """Return the trunk's segment, on all of its text or on the documents that a filter kept."""
        every = self._kept(self._segment(None))
        chosen = self.settings.stages.filter
        if chosen is None or chosen.of is not Filtered.TEXT or chosen.keep == 1:
            return every
        if every is None:
            raise PlanError(
                "a filter of text has no trunk to score by",
                where="stages.filter",
                mend="choose a cooldown_point above 0 and stages with text_pretrain, or keep 100%",
            )
        config = every.config
        assert isinstance(config, TextPretrain)
        kept = self.memo.once(
            lambda: self.chains.named(
                Filter(
                    model=config.model,
                    vision=None,
                    captions=None,
                    text=config.text,
                    keep=chosen.keep,
                    parent=every.run_id,
                    tower=None,
                )
            ),
            *("text filter", every, chosen),
        )
        self.runs.append(kept)
        return self._kept(self._segment(kept))

    def _segment(self, kept: Named | None) -> Named | None:
        if not {Stage.TEXT_PRETRAIN, Stage.IMAGE_TEXT_PRETRAIN} & set(self.stages):
            return None
        settings = self.settings
        trunk = self._trunk()
        return self.memo.once(
            lambda: self._new_segment(trunk, kept),
            "segment",
            *(self.model, trunk, settings.cooldown_point, settings.seed, kept),
        )

    def _new_segment(self, trunk: TextPretrainSettings, kept: Named | None) -> Named | None:
        end = self._branch_point(trunk)
        if end == 0:
            return None
        text = self.chains.sources.at(trunk.text, "stages.text_pretrain.text")
        check_reading(self.chains.study, text, end, "stages.text_pretrain.tokens")
        try:
            config = TextPretrain(
                model=self.model,
                text=text,
                val_text=self.chains.sources.optional(trunk.val_text, "stages.text_pretrain"),
                end_tokens=end,
                batch_tokens=trunk.batch_tokens,
                schedule=_trunk_schedule(trunk).until(end),
                optimizer=trunk.optimizer,
                seed=self.settings.seed if trunk.seed is None else trunk.seed,
                text_from=kept.run_id if kept else None,
            )
        except ConfigError as error:
            raise error.within("stages.text_pretrain") from error
        return self.chains.named(config)

    def _branch_point(self, trunk: TextPretrainSettings) -> int:
        """Tokens of the trunk at the cooldown point, the nearest whole number of steps."""
        tokens = trunk.tokens.count
        try:
            check_batches(tokens, trunk.batch_tokens, self.model.seq_len, "tokens")
        except ConfigError as error:
            raise error.within("stages.text_pretrain") from error
        steps = round(self.settings.cooldown_point * tokens / trunk.batch_tokens)
        if steps == 0 and self.settings.cooldown_point > 0:
            raise PlanError(
                f"cooldown_point {self.settings.cooldown_point} is less than one step of the "
                f"trunk's {tokens // trunk.batch_tokens}",
                where="cooldown_point",
                mend="choose a later point, or 0 for training from scratch",
            )
        return steps * trunk.batch_tokens

    def _trunk(self) -> TextPretrainSettings:
        return _declared(self.settings.stages.text_pretrain, Stage.TEXT_PRETRAIN)

    def _vision(self) -> VisionConfig | None:
        if not _SEEING & set(self.stages):
            return None
        name, encoders = self.settings.encoder, self.chains.encoders
        if name is None or name not in encoders:
            raise ConfigError(
                "no encoder is chosen" if name is None else f"encoder {name!r} is not declared",
                where="encoder",
                mend=f"choose one of the study's encoders: {', '.join(encoders) or 'none yet'}",
            )
        return encoders[name]

    def _tower(self) -> Named | None:
        vision = self.vision
        if vision is None or vision.encoder is not Encoder.CNN:
            return None
        tower = _declared(self.settings.stages.tower_pretrain, Stage.TOWER_PRETRAIN)
        where, sources = "stages.tower_pretrain", self.chains.sources
        return self.memo.once(
            lambda: self.chains.named(
                TowerPretrain(
                    vision=vision,
                    scenes=sources.at(tower.scenes, f"{where}.scenes"),
                    steps=tower.steps,
                    batch_images=tower.batch_images,
                    schedule=tower.learning_rate.schedule(
                        length=tower.steps * tower.batch_images, batch=tower.batch_images
                    ),
                    optimizer=tower.optimizer,
                    features_of=tuple(
                        sources.at(name, f"{where}.features_of") for name in tower.features_of
                    ),
                    seed=tower.seed,
                )
            ),
            *("tower", vision, tower),
        )

    def _branch(self, segment: Named | None) -> Named | None:
        if Stage.IMAGE_TEXT_PRETRAIN not in self.stages:
            return None
        chosen = self.settings.stages.filter
        every = self._branch_on(segment, None)
        if chosen is None or chosen.of is not Filtered.CAPTIONS or chosen.keep == 1:
            return every
        config = every.config
        assert isinstance(config, ImageTextPretrain)
        kept = self.memo.once(
            lambda: self.chains.named(
                Filter(
                    model=config.model,
                    vision=config.vision,
                    captions=config.captions,
                    keep=chosen.keep,
                    parent=every.run_id,
                    tower=config.tower,
                )
            ),
            *("filter", every, chosen),
        )
        self.runs += [every, kept]
        return self._branch_on(segment, kept)

    def _branch_on(self, segment: Named | None, kept: Named | None) -> Named:
        """Return the branch that reads all captions, or those that a filter kept."""
        settings = _declared(self.settings.stages.image_text_pretrain, Stage.IMAGE_TEXT_PRETRAIN)
        parts = (self.model, self.vision, self._trunk(), settings, self.settings.seed)
        rows = self.settings.stages.finetune if settings.instruction_ratio > 0 else None
        return self.memo.once(
            lambda: self._new_branch(segment, kept), "branch run", segment, kept, rows, *parts
        )

    def _new_branch(self, segment: Named | None, kept: Named | None) -> Named:
        where = "stages.image_text_pretrain"
        settings = _declared(self.settings.stages.image_text_pretrain, Stage.IMAGE_TEXT_PRETRAIN)
        trunk, sources = self._trunk(), self.chains.sources
        position = self._branch_point(trunk) if segment else 0
        is_trunks_text = settings.text in (None, trunk.text)
        assert self.vision is not None, "a branch has an encoder, see _vision()"
        try:
            config = ImageTextPretrain(
                model=self.model,
                vision=self.vision,
                text=sources.at(settings.text or trunk.text, f"{where}.text"),
                captions=sources.at(settings.captions, f"{where}.captions"),
                val_text=sources.optional(trunk.val_text, "stages.text_pretrain.val_text"),
                val_captions=sources.optional(settings.val_captions, f"{where}.val_captions"),
                image_ratio=settings.image_ratio,
                tokens=settings.tokens.count,
                text_start=position if is_trunks_text else 0,
                batch_tokens=settings.batch_tokens or trunk.batch_tokens,
                schedule=branch_schedule(
                    _trunk_schedule(trunk),
                    settings.learning_rate,
                    position=position,
                    length=settings.tokens.count,
                    batch=settings.batch_tokens or trunk.batch_tokens,
                ),
                optimizer=settings.optimizer or trunk.optimizer,
                optimizer_state=settings.optimizer_state,
                seed=self.settings.seed,
                text_seed=None if trunk.seed == self.settings.seed else trunk.seed,
                trunk=segment.run_id if segment else None,
                tower=self.tower.run_id if self.tower else None,
                captions_from=kept.run_id if kept else None,
                instruction_ratio=settings.instruction_ratio,
                instructions=self._mixed_instructions(),
                text_from=_text_from(segment) if is_trunks_text else None,
                tower_lr_scale=settings.tower_lr_scale,
            )
        except ConfigError as error:
            raise error.within(where) from error
        check_mixture(self.chains.study, config)
        return self.chains.named(config)

    def _mixed_instructions(self) -> DataSource | None:
        branch, finetune = self.settings.stages.image_text_pretrain, self.settings.stages.finetune
        if branch is None or branch.instruction_ratio == 0:
            return None
        name = branch.instructions or (finetune.instructions if finetune else None)
        return self.chains.sources.optional(name, "stages.image_text_pretrain.instructions")

    def finetune(self, parent: Named | None) -> Named | None:
        if Stage.FINETUNE not in self.stages or parent is None:
            return None
        settings = _declared(self.settings.stages.finetune, Stage.FINETUNE)
        if settings.epochs == 0:
            return None
        return self.memo.once(
            lambda: self._new_finetune(parent),
            *("finetune", parent, settings, self.settings.seed, self.vision),
        )

    def _new_finetune(self, parent: Named) -> Named:
        settings = _declared(self.settings.stages.finetune, Stage.FINETUNE)
        before = parent.config
        assert isinstance(before, TextPretrain | ImageTextPretrain)
        assert self.vision is not None, "fine-tuning has an encoder, see _vision()"
        try:
            config = Finetune(
                model=self.model,
                vision=self.vision,
                instructions=self.chains.sources.at(settings.instructions, "instructions"),
                examples=settings.examples,
                epochs=settings.epochs,
                batch_examples=settings.batch_examples,
                val_text=before.val_text,
                val_captions=None if isinstance(before, TextPretrain) else before.val_captions,
                schedule=settings.learning_rate.schedule(
                    length=settings.examples * settings.epochs, batch=settings.batch_examples
                ),
                optimizer=settings.optimizer,
                seed=self.settings.seed,
                parent=parent.run_id,
                tower=self.tower.run_id if self.tower else None,
                tower_lr_scale=settings.tower_lr_scale,
            )
        except ConfigError as error:
            raise error.within("stages.finetune") from error
        return self.chains.named(config)

    def _average(self, parent: Named | None) -> Named | None:
        """Return a soup of the fine-tuned models that the axes `over` lead to."""
        if Stage.AVERAGE not in self.stages:
            return None
        settings = _declared(self.settings.stages.average, Stage.AVERAGE)
        names = [axis.name for axis in settings.over.axes]
        members: list[Named] = []
        for values in itertools.product(*(axis.values for axis in settings.over.axes)):
            own = self.settings
            try:
                for name, value in zip(names, values, strict=True):
                    own = changed(own, name, value)
            except ConfigError as error:
                raise error.within("stages.average.over") from error
            member = _Point(self.chains, self.stages, own)
            member.tower = self.tower
            tuned = member.finetune(parent)
            if tuned is None or own.model != self.settings.model:
                raise PlanError(
                    f"a soup is of fine-tuned models, but {dict(zip(names, values, strict=True))} "
                    "leads to none",
                    where="stages.average.over",
                    mend="vary settings of fine-tuning alone, with at least one epoch",
                )
            members.append(tuned)
        self.runs += members
        greedy = settings.soup is Soup.GREEDY
        chosen = self._suite(settings.selection or "", "average.selection") if greedy else None
        try:
            config = Average(
                model=self.model,
                vision=self.vision,
                members=tuple(member.run_id for member in members),
                soup=settings.soup,
                selection=chosen,
                tower=self.tower.run_id if self.tower else None,
            )
        except ConfigError as error:
            raise error.within("stages.average") from error
        return self._kept(self.chains.named(config))

    def _evaluations(self, subject: Named, branch: Named | None) -> tuple[Named, ...]:
        if Stage.EVALUATE not in self.stages:
            return ()
        settings = _declared(self.settings.stages.evaluate, Stage.EVALUATE)
        return self.memo.once(
            lambda: tuple(self._new_evaluations(subject, branch, settings.suites)),
            *("evaluations", subject, branch, settings, self.settings.seed),
        )

    def _new_evaluations(
        self, subject: Named, branch: Named | None, suites: tuple[str, ...]
    ) -> list[Named]:
        """Return each suite asked of its model; those that the point has no model for are not."""
        asked = [self._suite(name, "evaluate.suites") for name in suites]
        models = [branch if suite.kind is SuiteKind.HELD_OUT else subject for suite in asked]
        return [
            self._evaluation(suite, model)
            for suite, model in zip(asked, models, strict=True)
            if model is not None
            and (suite.kind is SuiteKind.TEXT or not isinstance(model.config, TextPretrain))
        ]

    def _evaluation(self, suite: SuiteConfig, model: Named) -> Named:
        vision = None if isinstance(model.config, TextPretrain) else self.vision
        return self.chains.named(
            Evaluate(
                model=self.model,
                vision=vision,
                suite=suite,
                parent=model.run_id,
                tower=self.tower.run_id if self.tower and vision else None,
                seed=self.settings.seed,
            )
        )

    def _suite(self, name: str, where: str) -> SuiteConfig:
        suites = self.chains.suites
        if name not in suites:
            raise ConfigError(
                f"suite {name!r} is not declared",
                where=f"stages.{where}",
                mend=f"choose from: {', '.join(suites) or 'none yet: declare suites'}",
            )
        return suites[name]


def _trunk_schedule(trunk: TextPretrainSettings) -> Schedule:
    return trunk.learning_rate.schedule(length=trunk.tokens.count, batch=trunk.batch_tokens)


def _text_from(segment: Named | None) -> str | None:
    """Return the filter that has chosen the text of a trunk."""
    config = segment.config if segment else None
    return config.text_from if isinstance(config, TextPretrain) else None


def _declared(settings: T | None, stage: Stage) -> T:
    if settings is None:
        raise ConfigError(
            f"{stage.value} is not declared, but an arm needs it",
            where=f"stages.{stage.value}",
            mend=f"add its settings under stages.{stage.value}",
        )
    return settings
