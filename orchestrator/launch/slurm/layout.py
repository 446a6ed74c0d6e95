"""How a run's batch is cut over its devices, as the study's layouts say. Pure."""

import math
from dataclasses import replace

from orchestrator.plan.plan import PlannedRun
from orchestrator.spec.execution import Execution
from orchestrator.spec.launch import ModelLayout
from orchestrator.spec.run import Finetune, ImageTextPretrain, RunConfig, TextPretrain


def execution_of(
    execution: Execution, run: PlannedRun, layouts: tuple[ModelLayout, ...]
) -> Execution:
    """Return how a run executes on its devices: as asked, and as its model's layout says."""
    names = [axis.value for axis in run.axes if axis.name == "model"]
    asked = [layout.parallelism for layout in layouts if layout.model in names]
    rows = _rows(run.config)
    if not asked or rows is None:
        return execution
    parts = max(1, math.ceil(rows / (run.cost.devices * asked[0].micro_batch)))
    return replace(
        execution,
        accumulation=execution.accumulation * parts,
        sharding=asked[0].sharding,
        recompute=asked[0].recompute,
    )


def _rows(config: RunConfig) -> int | None:
    """Return the sequences of a batch; None for a run that trains on none."""
    if isinstance(config, TextPretrain | ImageTextPretrain):
        return config.batch_tokens // config.model.seq_len
    return config.batch_examples if isinstance(config, Finetune) else None
