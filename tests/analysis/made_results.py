"""Fill the folder of any study's plan as a launch would leave it, with results from a formula.

A model's score is `exact` plus the noise of its seed and of its questions. Both noises can be
switched off, so that a test can compute by hand what a figure or table must hold.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from orchestrator.launch.submit import record_of
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.run import Evaluate, Finetune, ImageTextPretrain, TextPretrain
from orchestrator.spec.schedule import Schedule
from orchestrator.store.attempts import Exit, write_exit
from orchestrator.store.layout import RunFolder, StudyFolder
from orchestrator.store.plan_file import write_plan
from orchestrator.store.records import write_done, write_result, write_run
from orchestrator.store.results import write_tables
from orchestrator.store.stage import Measure, StageResult
from orchestrator.store.study_plan import load_plan

ROOT = Path(__file__).parents[2]
QUESTIONS = 2_500
"""Of every benchmark."""
LOGGED_STEPS = 200
"""Learning rates that each training run logs."""
HOURS = 2.0
"""That every run took."""
ENDED = Exit(
    token="",
    code=0,
    cause=None,
    message=None,
    started="2026-01-01T00:00:00Z",
    ended="2026-01-01T02:00:00Z",
    seconds=3600 * HOURS,
    device="cpu",
    step=None,
    steps_per_second=None,
    peak_memory_mib=None,
)
"""How the only attempt at each run ended."""


@dataclass(frozen=True, kw_only=True)
class Effects:
    """What decides a score above chance, in [0, 1]."""

    late: float = 0.02
    """Vision at cooldown point 80 % above that at 100 %."""
    best_ratio: float = 0.15
    """Image ratio of the highest vision score after text pre-training."""
    scratch: float = -0.06
    """Effect of image data from scratch, on vision and text."""
    instructions: float = -0.04
    """Effect on vision of a branch whose images are all instructions."""
    seed_noise: float = 0.003
    """Standard deviation between branches of different seeds."""
    has_question_noise: bool = True
    """Whether scores scatter by their standard error over questions."""

    def exact(self, axes: Mapping[str, Any], suite: str, params: int, *, saw_images: bool) -> float:
        """Return a model's score above chance without noise."""
        size = 0.08 * math.log10(params / 1e7)
        point, ratio = axes["cooldown_point"], axes.get("image_ratio") or 0.0
        epochs = axes.get("epochs") or 0
        scratch = self.scratch if saw_images and point == 0 and ratio > 0 else 0.0
        if suite == "text":
            return 0.08 + size + 0.04 * point + scratch - 0.004 * abs(epochs - 2)
        if suite != "vision":
            return 0.02
        tuned = 0.05 * (1 - math.exp(-epochs)) if epochs else -0.05
        timing = 0.05 * point if point <= 0.8 else 0.04 - self.late
        mixed = self.instructions * (axes.get("instruction_ratio") or 0.0)
        images = -0.5 * (ratio - self.best_ratio) ** 2 if saw_images else -0.03
        return 0.2 + size + tuned + timing + mixed + images + scratch


@dataclass(frozen=True, kw_only=True)
class Made:
    """A study whose runs are done, but for some."""

    plan: Plan
    folder: StudyFolder
    effects: Effects = field(default_factory=Effects)
    seed: int = 0
    lacking: Callable[[PlannedRun], bool] = lambda run: False  # noqa: ARG005

    def write(self) -> StudyFolder:
        """Write the plan, every run's folder, and the tables."""
        write_plan(self.folder, self.plan)
        known = {run.run_id: run for run in self.plan.runs}
        for run in self.plan.runs:
            if not self.lacking(run):
                self._run(run, known)
        write_tables(self.folder, self.plan)
        return self.folder

    def _run(self, run: PlannedRun, known: Mapping[str, PlannedRun]) -> None:
        folder = self.folder.run(run.run_id)
        write_run(folder, record_of(self.plan.study, run))
        attempt = folder.attempt(1)
        attempt.path.mkdir(parents=True)
        attempt.environment.write_text(json.dumps({"code": "abc1234", "device": "cpu"}))
        write_exit(attempt, ENDED)
        if isinstance(run.config, TextPretrain | ImageTextPretrain):
            _log(folder, run.config.schedule, _begin(run, known), _end(run))
        measures = self._measures(run, known)
        write_result(folder, StageResult(measures=measures, counts={}))
        write_done(folder)

    def _measures(self, run: PlannedRun, known: Mapping[str, PlannedRun]) -> tuple[Measure, ...]:
        if isinstance(run.config, TextPretrain):
            loss = 1.7 + 400 / run.cost.params**0.34 + 1e4 / run.config.end_tokens**0.4
            return (Measure(suite="loss", benchmark="val_text_loss", metric="nats_per_token",
                            value=loss, n=100_000, stderr=0.002),)  # fmt: skip
        return self._scores(run, known) if isinstance(run.config, Evaluate) else ()

    def _scores(self, run: PlannedRun, known: Mapping[str, PlannedRun]) -> tuple[Measure, ...]:
        assert isinstance(run.config, Evaluate)
        subject = known[run.config.parent]
        branch = branch_of(subject, known)
        shared = subject if branch is None else branch
        noise = self.effects.seed_noise * _normal(self.seed, shared.run_id)
        axes = {axis.name: axis.value for axis in subject.axes}
        suite = run.config.suite
        exact = self.effects.exact(
            axes, suite.name, subject.cost.params, saw_images=branch is not None
        )
        parts: list[Measure] = []
        for place, benchmark in enumerate(suite.benchmarks):
            baseline = 0.2 + 0.05 * (place % 3)
            value = baseline + exact + noise + benchmark_shift(place, len(suite.benchmarks))
            error = math.sqrt(max(value * (1 - value), 0.01) / QUESTIONS)
            if self.effects.has_question_noise:
                value += error * _normal(self.seed, f"{run.run_id} {benchmark}")
            metric = "acc" if suite.kind == "text" else "accuracy"
            parts.append(
                Measure(suite=suite.name, benchmark=benchmark, metric=metric, value=value,
                        n=QUESTIONS, stderr=error, baseline=baseline)
            )  # fmt: skip
        return (*parts, *_averages(suite.name, parts))


def small_paper(folder: Path) -> Path:
    """Write the paper's study with every arm that the tables need, and few models in each."""
    tree = yaml.safe_load((ROOT / "sweeps" / "paper.yaml").read_text(encoding="utf-8"))
    arms = tree["arms"]
    tree["suites"]["text"]["benchmarks"] = ["arc_easy", "piqa"]
    for suite in ("vision", "vision_blind"):
        tree["suites"][suite]["benchmarks"] = ["vqa-v2", "text-vqa", "ocid-ref"]
    arms["timing"]["axes"] |= {"cooldown_point": [0, "80%", "100%"], "epochs": [1, 2]}
    arms["ratio_after_text"]["axes"] |= {"image_ratio": [0, "10%", "50%"], "epochs": [2]}
    arms["instruction_mix"]["axes"] |= {"instruction_ratio": [0, "50%", "100%"], "epochs": [2]}
    arms["epochs"]["axes"] |= {"epochs": [0, 1, 2], "image_ratio": ["1%", "5%", "10%"]}
    arms["token_multiplier"]["axes"] |= {"text_tokens": ["20x", "80x", "237B"], "epochs": [2]}
    arms["review_trunk"]["axes"] |= {"cooldown_point": ["80%", "100%"]}
    for name in ("review_unfrozen", "review_between"):
        del arms[name]
    path = folder / "paper.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return path


def made_study(study: Path, folder: Path, **fields: Any) -> StudyFolder:
    """Fill the folder of a study file's plan."""
    plan = load_plan(study, results=folder / "none")
    return Made(plan=plan, folder=StudyFolder(folder / plan.study), **fields).write()


def branch_of(run: PlannedRun, known: Mapping[str, PlannedRun]) -> PlannedRun | None:
    """Return the image-text run that a model comes from; None for one that saw no images."""
    while not isinstance(run.config, ImageTextPretrain):
        if not isinstance(run.config, Finetune):
            return None
        run = known[run.config.parent]
    return run


def benchmark_shift(place: int, count: int) -> float:
    """Return how far a benchmark lies above its suite's mean; over a suite these add up to 0."""
    return 0.02 * (place - (count - 1) / 2)


def _averages(suite: str, parts: list[Measure]) -> list[Measure]:
    values = [part.value for part in parts if part.value is not None]
    baselines = [part.baseline for part in parts if part.baseline is not None]
    errors = [part.stderr for part in parts if part.stderr is not None]
    score, chance = math.fsum(values) / len(parts), math.fsum(baselines) / len(parts)
    error, n = math.hypot(*errors) / len(parts), QUESTIONS * len(parts)
    return [
        Measure(suite=suite, benchmark="average", metric="score", value=score, n=n, stderr=error,
                baseline=chance),
        Measure(suite=suite, benchmark="average", metric="stable_score", value=score - chance, n=n,
                stderr=error),
    ]  # fmt: skip


def _normal(seed: int, name: str) -> float:
    """Return a standard normal number that belongs to a name."""
    return float(np.random.default_rng([seed, *name.encode()]).standard_normal())


def _begin(run: PlannedRun, known: Mapping[str, PlannedRun]) -> int:
    return _end(known[run.previous]) if run.previous else 0


def _end(run: PlannedRun) -> int:
    config = run.config
    assert isinstance(config, TextPretrain | ImageTextPretrain)
    return config.end_tokens if isinstance(config, TextPretrain) else config.tokens


def _log(folder: RunFolder, schedule: Schedule, begin: int, end: int) -> None:
    step = max((end - begin) // LOGGED_STEPS, 1)
    with folder.metrics.open("w") as file:
        for i, position in enumerate(range(begin, end, step)):
            rate = schedule.learning_rate(position, step)
            line = {"step": i, "position": position + step, "loss": 2.0, "learning_rate": rate}
            file.write(json.dumps(line) + "\n")
