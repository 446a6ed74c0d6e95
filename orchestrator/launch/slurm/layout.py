"""How a run's batch is cut over its devices, as the study's layouts say. Pure."""

import math

from orchestrator.errors import LaunchError
from orchestrator.plan.plan import PlannedRun
from orchestrator.spec.launch import ModelLayout
from orchestrator.spec.parallel import Recompute, Sharding
from orchestrator.spec.run import Finetune, ImageTextPretrain, RunConfig, TextPretrain


def check_layouts(layouts: tuple[ModelLayout, ...]) -> None:
    """Make sure that the trainer can follow every layout.

    Raises:
        LaunchError: if one asks for what the trainer cannot do.
    """
    for layout in layouts:
        asked = layout.parallelism
        if asked.sharding is not Sharding.REPLICATED or asked.recompute is not Recompute.NOTHING:
            raise LaunchError(
                f"the layout of {layout.model} is {asked}, but the trainer keeps weights whole on "
                "each device and computes nothing again",
                f"launch.layouts.{layout.model}",
                "launch it with a layout of gpus and micro_batch alone, if it fits",
            )


def accumulation_of(run: PlannedRun, layouts: tuple[ModelLayout, ...]) -> int:
    """Return into how many micro-batches each device cuts its share of a batch. At least 1."""
    names = [axis.value for axis in run.axes if axis.name == "model"]
    asked = [layout.parallelism for layout in layouts if layout.model in names]
    rows = _rows(run.config)
    if not asked or rows is None:
        return 1
    return max(1, math.ceil(rows / (run.cost.devices * asked[0].micro_batch)))


def _rows(config: RunConfig) -> int | None:
    """Return the sequences of a batch; None for a run that trains on none."""
    if isinstance(config, TextPretrain | ImageTextPretrain):
        return config.batch_tokens // config.model.seq_len
    return config.batch_examples if isinstance(config, Finetune) else None
