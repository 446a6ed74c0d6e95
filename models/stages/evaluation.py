"""The stage `evaluate`, and what a worker that serves many runs imports beforehand."""

import importlib

from models.stages.start import config_of, prepare
from orchestrator.spec.run import Evaluate
from orchestrator.store.stage import StageContext, StageResult


def evaluate(context: StageContext) -> StageResult:
    """Ask a trained model the benchmarks of one suite; several processes share the work."""
    from models.evaluation.evaluate import evaluate as ask  # lm_eval takes seconds to import

    config_of(context, Evaluate)
    prepare(context)
    return ask(context)


def warm_up() -> None:
    """Import what all stages need, so that a worker that forks for each run does it once."""
    importlib.import_module("models.evaluation.evaluate")
    importlib.import_module("models.evaluation.text")
    importlib.import_module("torch._inductor.config")  # by use_deterministic_algorithms, 2 s
