"""On a GPU, a suite is answered as on the CPU. Skipped where there is none."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.stages import evaluate
from orchestrator.spec.execution import Device, Execution
from orchestrator.spec.suite import SuiteKind
from orchestrator.store.layout import RunFolder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

TEXT = ("shapeworld_facts", "shapeworld_sums")


def scores(context: Any, execution: Execution, name: str) -> dict[tuple[str, str], float]:
    context.execution = execution
    context.folder = RunFolder(context.folder.path / name)
    result = evaluate(context)
    return {(m.benchmark, m.metric): m.value for m in result.measures if m.value is not None}


@pytest.mark.parametrize("kind", [SuiteKind.VISION, SuiteKind.TEXT])
def test_a_suite_has_the_answers_of_the_cpu(
    context_of: Callable[..., Any], kind: SuiteKind
) -> None:
    asked = {} if kind is SuiteKind.VISION else {"kind": kind, "benchmarks": TEXT}
    on_cpu = scores(context_of(**asked), Execution(), "cpu")
    on_gpu = scores(context_of(**asked), Execution(device=Device.CUDA), "gpu")
    assert len(on_cpu) > 4
    assert on_gpu == pytest.approx(on_cpu, abs=1e-5)
