"""From one point of a grid to the runs it needs, from vision tower to evaluations. Pure."""

from dataclasses import dataclass
from typing import TypeVar

from orchestrator.errors import ConfigError, PlanError
from orchestrator.spec.model import Encoder, ModelConfig, VisionConfig
from orchestrator.spec.run import (
    DataSource,
    Evaluate,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    Stage,
    SuiteConfig,
    SuiteKind,
    TextPretrain,
    TowerPretrain,
    check_batches,
)
from orchestrator.spec.schedule import Schedule, continue_from, rewarm
from orchestrator.spec.settings import (
    BranchLearningRate,
    LearningRateRule,
    Settings,
    warmup_length,
)
from orchestrator.spec.study import Study

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The runs of one point; a stage that the point skips is None."""

    tower: TowerPretrain | None
    """The vision tower."""
    segment: TextPretrain | None
    """The trunk, up to where this point leaves it."""
    branch: ImageTextPretrain | None
    """Image-text pre-training."""
    finetune: Finetune | None
    """Fine-tuning."""
    evaluations: tuple[Evaluate, ...]
    """Suites asked of the model at the end."""

    @property
    def subject(self) -> TextPretrain | ImageTextPretrain | Finetune:
        """The model that the point is about: its last training run."""
        last = self.finetune or self.branch or self.segment
        assert last is not None, "build_chain refuses points without training"
        return last


def build_chain(study: Study, stages: tuple[Stage, ...], settings: Settings) -> Chain:
    """Return the runs that one point needs.

    Raises:
        ConfigError: if a stage, model, encoder, suite or collection is not declared, or a budget
            is no whole number of steps.
        PlanError: if the point trains nothing.
    """
    return _Builder(study, stages, settings).chain()


class _Builder:
    """Holds one point while its chain is put together, parents first."""

    def __init__(self, study: Study, stages: tuple[Stage, ...], settings: Settings) -> None:
        self.study = study
        self.stages = stages
        self.settings = settings
        models = {model.name: model.config for model in study.models}
        self.model: ModelConfig = models[settings.model or ""]

    def chain(self) -> Chain:
        segment = self.segment()
        vision = self.vision()
        tower = self.tower(vision)
        branch = self.branch(segment, vision, tower)
        finetune = self.finetune(branch or segment, vision, tower)
        subject = finetune or branch or segment
        if subject is None:
            raise PlanError(
                f"cooldown_point {self.settings.cooldown_point} of model {self.settings.model} "
                "trains nothing",
                where="arms",
                mend="add image_text_pretrain to the arm's stages, or a cooldown point above 0",
            )
        sees = vision if not isinstance(subject, TextPretrain) else None
        evaluations = self.evaluations(subject, sees, tower if sees else None)
        return Chain(
            tower=tower,
            segment=segment,
            branch=branch,
            finetune=finetune,
            evaluations=evaluations,
        )

    def segment(self) -> TextPretrain | None:
        wants_branch = Stage.IMAGE_TEXT_PRETRAIN in self.stages
        if Stage.TEXT_PRETRAIN not in self.stages and not wants_branch:
            return None
        end = self.branch_point()
        if end == 0:
            return None
        trunk = self.declared(self.settings.stages.text_pretrain, Stage.TEXT_PRETRAIN)
        return TextPretrain(
            model=self.model,
            text=self.source(trunk.text, "stages.text_pretrain.text"),
            val_text=self.optional_source(trunk.val_text, "stages.text_pretrain.val_text"),
            end_tokens=end,
            batch_tokens=trunk.batch_tokens,
            schedule=self.trunk_schedule(),
            optimizer=trunk.optimizer,
            seed=self.settings.seed,
        )

    def branch_point(self) -> int:
        """Tokens of the trunk at the cooldown point, the nearest whole number of steps."""
        trunk = self.declared(self.settings.stages.text_pretrain, Stage.TEXT_PRETRAIN)
        seq_len = self.model.seq_len
        try:
            check_batches(trunk.tokens, trunk.batch_tokens, seq_len, "tokens")
        except ConfigError as error:
            raise error.within("stages.text_pretrain") from error
        steps = round(self.settings.cooldown_point * trunk.tokens / trunk.batch_tokens)
        if steps == 0 and self.settings.cooldown_point > 0:
            raise PlanError(
                f"cooldown_point {self.settings.cooldown_point} is less than one step of the "
                f"trunk's {trunk.tokens // trunk.batch_tokens}",
                where="cooldown_point",
                mend="choose a later point, or 0 for training from scratch",
            )
        return steps * trunk.batch_tokens

    def trunk_schedule(self) -> Schedule:
        trunk = self.declared(self.settings.stages.text_pretrain, Stage.TEXT_PRETRAIN)
        return trunk.learning_rate.schedule(length=trunk.tokens, batch=trunk.batch_tokens)

    def vision(self) -> VisionConfig | None:
        if not {Stage.IMAGE_TEXT_PRETRAIN, Stage.FINETUNE} & set(self.stages):
            return None
        encoders = {encoder.name: encoder.config for encoder in self.study.encoders}
        name = self.settings.encoder
        if name is None or name not in encoders:
            raise ConfigError(
                "no encoder is chosen" if name is None else f"encoder {name!r} is not declared",
                where="encoder",
                mend=f"choose one of the study's encoders: {', '.join(encoders) or 'none yet'}",
            )
        return encoders[name]

    def tower(self, vision: VisionConfig | None) -> TowerPretrain | None:
        if vision is None or vision.encoder is not Encoder.CNN:
            return None
        tower = self.declared(self.settings.stages.tower_pretrain, Stage.TOWER_PRETRAIN)
        where = "stages.tower_pretrain"
        return TowerPretrain(
            vision=vision,
            scenes=self.source(tower.scenes, f"{where}.scenes"),
            steps=tower.steps,
            batch_images=tower.batch_images,
            schedule=tower.learning_rate.schedule(
                length=tower.steps * tower.batch_images, batch=tower.batch_images
            ),
            optimizer=tower.optimizer,
            features_of=tuple(
                self.source(name, f"{where}.features_of") for name in tower.features_of
            ),
            seed=tower.seed,
        )

    def branch(
        self,
        segment: TextPretrain | None,
        vision: VisionConfig | None,
        tower: TowerPretrain | None,
    ) -> ImageTextPretrain | None:
        if Stage.IMAGE_TEXT_PRETRAIN not in self.stages:
            return None
        assert vision is not None, "a branch has an encoder, see vision()"
        settings = self.declared(
            self.settings.stages.image_text_pretrain, Stage.IMAGE_TEXT_PRETRAIN
        )
        trunk = self.declared(self.settings.stages.text_pretrain, Stage.TEXT_PRETRAIN)
        start = segment.end_tokens if segment else 0
        where = "stages.image_text_pretrain"
        batch = settings.batch_tokens or trunk.batch_tokens
        try:
            return ImageTextPretrain(
                model=self.model,
                vision=vision,
                text=self.source(trunk.text, "stages.text_pretrain.text"),
                captions=self.source(settings.captions, f"{where}.captions"),
                val_text=self.optional_source(trunk.val_text, "stages.text_pretrain.val_text"),
                val_captions=self.optional_source(settings.val_captions, f"{where}.val_captions"),
                image_ratio=settings.image_ratio,
                tokens=settings.tokens,
                text_start=start,
                batch_tokens=batch,
                schedule=branch_schedule(
                    self.trunk_schedule(),
                    settings.learning_rate,
                    position=start,
                    length=settings.tokens,
                    batch=batch,
                ),
                optimizer=settings.optimizer or trunk.optimizer,
                optimizer_state=settings.optimizer_state,
                seed=self.settings.seed,
                trunk=self.study.run_id(segment) if segment else None,
                tower=self.study.run_id(tower) if tower else None,
            )
        except ConfigError as error:
            raise error.within(where) from error

    def finetune(
        self,
        parent: ImageTextPretrain | TextPretrain | None,
        vision: VisionConfig | None,
        tower: TowerPretrain | None,
    ) -> Finetune | None:
        if Stage.FINETUNE not in self.stages or parent is None:
            return None
        assert vision is not None, "fine-tuning has an encoder, see vision()"
        settings = self.declared(self.settings.stages.finetune, Stage.FINETUNE)
        if settings.epochs == 0:
            return None
        try:
            return Finetune(
                model=self.model,
                vision=vision,
                instructions=self.source(settings.instructions, "instructions"),
                examples=settings.examples,
                epochs=settings.epochs,
                batch_examples=settings.batch_examples,
                val_text=parent.val_text,
                val_captions=None if isinstance(parent, TextPretrain) else parent.val_captions,
                schedule=settings.learning_rate.schedule(
                    length=settings.examples * settings.epochs, batch=settings.batch_examples
                ),
                optimizer=settings.optimizer,
                seed=self.settings.seed,
                parent=self.study.run_id(parent),
                tower=self.study.run_id(tower) if tower else None,
            )
        except ConfigError as error:
            raise error.within("stages.finetune") from error

    def evaluations(
        self, subject: RunConfig, vision: VisionConfig | None, tower: TowerPretrain | None
    ) -> tuple[Evaluate, ...]:
        if Stage.EVALUATE not in self.stages:
            return ()
        settings = self.declared(self.settings.stages.evaluate, Stage.EVALUATE)
        suites = [self.suite(name) for name in settings.suites]
        return tuple(
            Evaluate(
                model=self.model,
                vision=vision,
                suite=suite,
                parent=self.study.run_id(subject),
                tower=self.study.run_id(tower) if tower else None,
                seed=self.settings.seed,
            )
            for suite in suites
            if suite.kind is SuiteKind.TEXT or vision is not None
        )

    def suite(self, name: str) -> SuiteConfig:
        for suite in self.study.suites:
            if suite.name == name:
                return suite
        raise ConfigError(
            f"suite {name!r} is not declared",
            where="stages.evaluate.suites",
            mend=f"choose from: {', '.join(suite.name for suite in self.study.suites)}",
        )

    def source(self, name: str, where: str) -> DataSource:
        collection, _, part = name.partition("/")
        for known in self.study.data:
            if known.name == collection:
                return DataSource(name=f"{collection}/{part}", version=known.version)
        known = ", ".join(collection.name for collection in self.study.data)
        raise ConfigError(
            f"data collection {collection!r} is not declared",
            where=where,
            mend=f"declare it under data, or name a part of: {known}",
        )

    def optional_source(self, name: str | None, where: str) -> DataSource | None:
        return None if name is None else self.source(name, where)

    def declared(self, settings: T | None, stage: Stage) -> T:
        if settings is None:
            raise ConfigError(
                f"{stage.value} is not declared, but an arm needs it",
                where=f"stages.{stage.value}",
                mend=f"add its settings under stages.{stage.value}",
            )
        return settings


def branch_schedule(
    trunk: Schedule, rate: BranchLearningRate, *, position: int, length: int, batch: int
) -> Schedule:
    """Return a branch's schedule over its own tokens.

    Args:
        trunk: the trunk's schedule.
        rate: the branch's rule.
        position: tokens of the trunk at the branch point; 0 from scratch.
        length: tokens of the branch.
        batch: tokens per step of the branch.

    Raises:
        ConfigError: if a warm-up is not shorter than the branch.
    """
    if rate.rule is LearningRateRule.INHERITED:
        return continue_from(trunk, position=position, final=rate.final, length=length)
    if rate.rule is LearningRateRule.EQUAL_PEAK:
        assert rate.equal_peak is not None, "BranchLearningRate refuses the rule without a peak"
        peak = rate.equal_peak
    else:
        peak = rate.rewarm_peak or max(phase.start for phase in trunk.phases)
    start = trunk.learning_rate(position, 0) if position else 0.0
    warmup = warmup_length(rate.warmup, rate.warmup_steps, length=length, batch=batch)
    return rewarm(start=start, peak=peak, final=rate.final, warmup=warmup, length=length)
