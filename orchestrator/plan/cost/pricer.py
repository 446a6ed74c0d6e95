"""What a run takes: FLOP, hours, devices, memory and bytes, each distinct shape counted once.

FLOP are of the model: matrices, causal attention, the output layer where tokens are scored, the
projector, and the vision tower's share; what is computed twice to save memory takes time, but is
not among them. Asking a model is taken to be as fast as training it, an assumption. Reads nothing
and writes nothing.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from math import ceil
from typing import assert_never

from orchestrator.plan.cost.amount import CAPTIONS_TO_FILTER, Amount, amount
from orchestrator.plan.cost.count import (
    attention_flops,
    block_flops,
    body_params,
    output_flops,
    projector_flops,
    projector_params,
    total_params,
)
from orchestrator.plan.cost.device_load import batch_sequences, load_of, models_of
from orchestrator.plan.cost.fitting import check_fits, smallest_layout
from orchestrator.plan.cost.memory import Load, peak_memory, trained_params
from orchestrator.plan.cost.throughput import KAPLAN_FACTOR, SECONDS_PER_HOUR, Machine
from orchestrator.plan.cost.tower_count import tower_flops, tower_params
from orchestrator.plan.plan import Cost
from orchestrator.spec.execution import Precision
from orchestrator.spec.model import ModelConfig, VisionConfig
from orchestrator.spec.parallel import Parallelism, Recompute
from orchestrator.spec.run import (
    Average,
    Evaluate,
    Filter,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    TextPretrain,
    TowerPretrain,
)

CHECKPOINT_BYTES = 12
"""Of one trained parameter: fp32 weight and AdamW's two moments."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """The counts of one decoder and encoder."""

    params: int
    params_total: int
    trained: int
    """With projector and a tower that is not frozen."""
    block_flops: float
    """Forward, per position."""
    attention_flops: float
    """Forward, per position and position of its sequence's length."""
    output_flops: float
    """Forward, per scored position."""
    projector_flops: float
    """Forward, per image."""
    tower_flops: float
    """Forward, per image."""
    speed: float
    """Achieved FLOP per second of one device in decoder and projector."""
    tower_speed: float
    """The same in the tower, which may be of another size."""


@dataclass(frozen=True, slots=True)
class _Spread:
    """How a run lies on devices, and what it takes of each."""

    layout: Parallelism
    memory_gib: float


class Pricer:
    """The costs of runs on one machine.

    It remembers what it has counted by the identity of the models, encoders and suites in a run's
    config, so these are compared in no time; and it keeps those configs, so that no other object
    can take their place in memory.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._costs: dict[Hashable, Cost] = {}
        self._shapes: dict[Hashable, _Shape] = {}
        self._spreads: dict[Hashable, _Spread] = {}
        self._kept: list[RunConfig] = []

    def cost(
        self,
        config: RunConfig,
        *,
        begin_tokens: int = 0,
        tokens_per_example: int = 1,
        captions: int = CAPTIONS_TO_FILTER,
    ) -> Cost:
        """Return what a run takes beyond its parents.

        Args:
            config: what the run is.
            begin_tokens: for a trunk segment, where it begins.
            tokens_per_example: for fine-tuning, mean positions of a row, its image included.
            captions: for a filter, how many there are to score.

        Raises:
            PlanError: if it does not fit the machine's devices, an image does not fit a sequence,
                or the shape of published tower weights is not known.
        """
        key = _key(config, begin_tokens, tokens_per_example, captions)
        known = self._costs.get(key)
        if known is None:
            work = amount(
                config,
                begin_tokens=begin_tokens,
                tokens_per_example=tokens_per_example,
                captions=captions,
            )
            self._kept.append(config)
            known = self._costs[key] = self._counted(config, work)
        return known

    def _counted(self, config: RunConfig, work: Amount) -> Cost:
        model, vision = models_of(config)
        shape = self._shape(model, vision)
        decoder, tower = _flops(shape, work)
        hours = (decoder / shape.speed + tower / shape.tower_speed) / SECONDS_PER_HOUR
        spread = self._spread(config, work, hours)
        if spread.layout.recompute is Recompute.BLOCKS:
            hours += work.positions * _block_flops(shape, work) / shape.speed / SECONDS_PER_HOUR
        trains = work.steps > 0
        tokens = work.positions if trains else 0
        return Cost(
            params=shape.params,
            params_total=shape.params_total,
            steps=work.steps,
            tokens=tokens,
            image_tokens=work.in_image_sequences,
            flops=decoder + tower,
            vision_flops=tower,
            flops_6nd=float(KAPLAN_FACTOR * shape.params * tokens),
            checkpoint_bytes=CHECKPOINT_BYTES * shape.trained if _leaves_weights(config) else 0,
            device_hours=hours,
            devices=spread.layout.gpus,
            wall_hours=hours / spread.layout.gpus,
            memory_gib=spread.memory_gib,
        )

    def _shape(self, model: ModelConfig | None, vision: VisionConfig | None) -> _Shape:
        key = (id(model), id(vision))
        known = self._shapes.get(key)
        if known is None:
            known = self._shapes[key] = self._counted_shape(model, vision)
        return known

    def _counted_shape(self, model: ModelConfig | None, vision: VisionConfig | None) -> _Shape:
        trained = trained_params(model, vision)
        speed_at = self.machine.throughput.at
        tower = tower_flops(vision) if vision else 0.0
        tower_speed = speed_at(tower_params(vision) if vision else 0)
        if model is None:
            return _Shape(0, 0, trained, 0.0, 0.0, 0.0, 0.0, tower, tower_speed, tower_speed)
        projector = projector_params(model, vision) if vision else 0
        per_image = projector_flops(model, vision) * vision.image_tokens if vision else 0.0
        return _Shape(
            params=body_params(model) + projector,
            params_total=total_params(model) + projector,
            trained=trained,
            block_flops=block_flops(model),
            attention_flops=attention_flops(model),
            output_flops=output_flops(model),
            projector_flops=per_image,
            tower_flops=tower,
            speed=speed_at(total_params(model)),
            tower_speed=tower_speed,
        )

    def _spread(self, config: RunConfig, work: Amount, hours: float) -> _Spread:
        """Lay a run out; those that do not train take one device, and so does a tower."""
        model, vision = models_of(config)
        sequences = batch_sequences(config, work)
        at_least = 1
        if self.machine.longest_hours is not None:
            at_least = max(1, ceil(hours / self.machine.longest_hours))
        about = (sequences, work.length, work.images > 0, work.compared, at_least)
        key = (type(config), id(model), id(vision), *about)
        known = self._spreads.get(key)
        if known is None:
            load = load_of(config, work)
            known = self._spreads[key] = self._laid_out(load, at_least)
        return known

    def _laid_out(self, load: Load, at_least: int) -> _Spread:
        profile = self.machine.profile
        whole = Parallelism(micro_batch=load.batch_sequences)
        if profile is None:
            return _Spread(whole, peak_memory(load, whole, Precision.FP32).gib)
        layout = self._wanted(load)
        if layout is None:
            layout = smallest_layout(load, profile, at_least=at_least)
        check_fits(load, layout, profile)
        return _Spread(layout, peak_memory(load, layout, Precision.BF16).gib)

    def _wanted(self, load: Load) -> Parallelism | None:
        if load.trains and load.model is not None:
            for wanted in self.machine.layouts:
                if wanted.model == load.model:
                    return wanted.parallelism
        return None


def _key(
    config: RunConfig, begin_tokens: int, tokens_per_example: int, captions: int
) -> tuple[Hashable, ...]:
    """Return all that decides a run's cost, with configs by identity."""
    kind = type(config)
    match config:
        case Evaluate():
            return (kind, id(config.model), id(config.vision), id(config.suite))
        case Finetune():
            work = (config.steps, config.batch_examples, tokens_per_example)
            return (kind, id(config.model), id(config.vision), *work)
        case ImageTextPretrain():
            work = (config.tokens, config.batch_tokens, config.image_ratio)
            return (kind, id(config.model), id(config.vision), *work)
        case TextPretrain():
            work = (config.end_tokens - begin_tokens, config.batch_tokens)
            return (kind, id(config.model), *work)
        case TowerPretrain():
            return (kind, id(config.vision), config.steps, config.batch_images)
        case Filter():
            return (kind, id(config.model), id(config.vision), captions)
        case Average():
            members, suite = len(config.members), id(config.selection)
            return (kind, id(config.model), id(config.vision), members, suite)
        case _:
            assert_never(config)


def _flops(shape: _Shape, work: Amount) -> tuple[float, float]:
    """Return the FLOP of decoder and projector, and those of the tower."""
    forward = (
        work.positions * _block_flops(shape, work)
        + work.scored * shape.output_flops
        + work.images * shape.projector_flops
    )
    return work.passes * forward, work.tower_passes * work.images * shape.tower_flops


def _block_flops(shape: _Shape, work: Amount) -> float:
    """Return the forward FLOP of all blocks per position."""
    return shape.block_flops + shape.attention_flops * work.length


def _leaves_weights(config: RunConfig) -> bool:
    return not isinstance(config, Evaluate | Filter)
