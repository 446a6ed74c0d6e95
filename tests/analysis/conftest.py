"""A synthetic study folder with known laws, built as the store lays one out."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestrator.store.layout import StudyFolder
from tests.analysis.made_results import made_study, small_paper

LAW = {"E": 0.4, "A": 40.0, "B": 300.0, "alpha": 0.35, "beta": 0.4}
"""L(N, D) of the synthetic trunks."""

MODELS = {"small": 20_000, "middle": 80_000, "large": 330_000}
POINTS = (0.0, 0.2, 0.6, 0.8, 1.0)
RATIOS = (0.0, 0.1, 0.2, 0.5)
TRUNK_TOKENS = 8_000_000
BRANCH_TOKENS = 1_000_000
BENCHMARKS = {"colour": 0.2, "shape": 0.25}
UNUSED_AXES = ("keep", "soup")
"""Columns of every study's tables that this one has no value of."""
FEEDS = {
    "figure_3": ["timing"],
    "figure_4": ["timing"],
    "figure_5": ["ratio_after_text"],
    "figure_6": ["ratio_from_scratch"],
    "figure_8": ["epochs"],
    "scaling": ["timing"],
    "controls": ["timing"],
}


@dataclass(frozen=True, kw_only=True)
class World:
    """What the synthetic study's models do."""

    seeds: tuple[int, ...] = (0, 1, 2)
    models: tuple[str, ...] = tuple(MODELS)
    law: dict[str, float] = field(default_factory=lambda: dict(LAW))
    timing_gain: float = 0.05
    """Vision score at cooldown point 0.8 above that at 1.0."""
    sight: float = 0.3
    """Vision score with the image above that without."""
    scratch_effect: float = -0.08
    """Scores of a model from scratch with images minus without."""
    seed_noise: float = 0.004
    loss_noise: float = 0.002
    not_run: tuple[str, ...] = ()
    """Titles of evaluations that were never run."""
    arms: tuple[str, ...] = ("timing", "ratio_after_text", "ratio_from_scratch", "epochs")


class Builder:
    """Writes plan.json, the tables and run folders of a `World`."""

    def __init__(self, folder: StudyFolder, world: World) -> None:
        self.folder = folder
        self.world = world
        self.rng = np.random.default_rng(11)
        self.runs: dict[str, dict[str, Any]] = {}
        self.rows: list[dict[str, Any]] = []
        self.cells: list[dict[str, Any]] = []

    def build(self) -> StudyFolder:
        for model in self.world.models:
            for seed in self.world.seeds:
                self._trunk(model, seed)
                self._arms(model, seed)
        self._write()
        return self.folder

    def _trunk(self, model: str, seed: int) -> None:
        needs: list[str] = []
        for point in POINTS[1:]:
            name = f"trunk-{model}-{seed}-{point:g}"
            tokens = int(point * TRUNK_TOKENS)
            axes = {"model": model, "seed": seed, "cooldown_point": point}
            self._run(name, "text_pretrain", f"{model}, at {point:.0%}, seed {seed}", needs, axes)
            law, params = self.world.law, MODELS[model]
            loss = law["E"] + law["A"] / params ** law["alpha"] + law["B"] / tokens ** law["beta"]
            loss *= float(np.exp(self.world.loss_noise * self.rng.standard_normal()))
            base = self._base(name, name, "text_pretrain", axes, tokens=tokens)
            self._measure(base, "loss", "val_text_loss", "nats_per_token", loss, n=5000, err=0.01)
            begin = self.runs[needs[0]]["end"] if needs else 0
            self.runs[name]["end"] = tokens
            self._metrics(name, begin, tokens, peak=3e-3, horizon=TRUNK_TOKENS)
            needs = [name]

    def _arms(self, model: str, seed: int) -> None:
        world = self.world
        for arm in world.arms:
            points = POINTS if arm == "timing" else ((0.0,) if "scratch" in arm else (0.8,))
            rules = ("equal_peak", "inherited") if arm == "timing" else ("inherited",)
            ratios = RATIOS if arm.startswith("ratio") else (0.1,)
            epochs = (1, 2, 3, 4) if arm == "epochs" else (2,)
            for point in points:
                for rule in rules:
                    for ratio in ratios:
                        for count in epochs:
                            axes = {
                                "model": model,
                                "seed": seed,
                                "cooldown_point": point,
                                "image_ratio": ratio,
                                "learning_rate_rule": rule,
                                "epochs": count,
                            }
                            self._branch(arm, axes)

    def _branch(self, arm: str, axes: dict[str, Any]) -> None:
        model, seed, point = axes["model"], axes["seed"], axes["cooldown_point"]
        ratio, rule, epochs = axes["image_ratio"], axes["learning_rate_rule"], axes["epochs"]
        key = f"{model}-{seed}-{point:g}-{ratio:g}-{rule}"
        branch, tuned = f"branch-{key}", f"tuned-{key}-{epochs}"
        title = f"{model}, at {point:.0%}, images {ratio:.0%}, {rule}"
        trunk = [f"trunk-{model}-{seed}-{point:g}"] if point else []
        branch_axes = {name: value for name, value in axes.items() if name != "epochs"}
        if branch not in self.runs:
            self._run(branch, "image_text_pretrain", f"{title}, seed {seed}", trunk, branch_axes)
            start = int(point * TRUNK_TOKENS)
            peak = 1e-3 * (1 - 0.5 * point)
            self._metrics(branch, 0, BRANCH_TOKENS, peak=peak, horizon=BRANCH_TOKENS)
            self._run_json(branch, {"text_start": start})
        self._run(tuned, "finetune", f"{title}, {epochs} epochs, seed {seed}", [branch], axes)
        self.cells.append({"arm": arm, "run_id": tuned, "stage": "finetune", **axes})
        for suite in ("vision", "vision_blind", "vision_permuted", "text"):
            self._evaluation(tuned, suite, f"{title}, {epochs} epochs, {suite}", axes)

    def _evaluation(self, tuned: str, suite: str, title: str, axes: dict[str, Any]) -> None:
        name = f"{suite}-{tuned}"
        title = f"{title}, seed {axes['seed']}"
        known = name in self.runs
        self._run(name, "evaluate", title, [tuned], {**axes, "suite": suite})
        if known or title in self.world.not_run:
            if title in self.world.not_run:
                (self.folder.run(name).done).unlink(missing_ok=True)
            return
        base = self._base(name, tuned, "evaluate", axes, tokens=self._tokens(axes))
        noise = self.world.seed_noise * float(self.rng.standard_normal())
        above = [self._above(suite, axes) + noise + shift for shift in (0.01, -0.01)]
        for (benchmark, baseline), gain in zip(BENCHMARKS.items(), above, strict=True):
            value = baseline + gain
            self._measure(base, suite, benchmark, "accuracy", value, baseline=baseline, err=0.012)
            self._measure(base, suite, benchmark, "yes_rate", 0.5)
        mean = float(np.mean(list(BENCHMARKS.values())))
        score = mean + float(np.mean(above))
        self._measure(base, suite, "average", "score", score, baseline=mean, err=0.009)
        self._measure(base, suite, "average", "stable_score", score - mean, err=0.009)

    def _above(self, suite: str, axes: dict[str, Any]) -> float:
        """Score above the baseline, as the world has it."""
        world, point = self.world, axes["cooldown_point"]
        size = 0.02 * list(MODELS).index(axes["model"])
        scratch = world.scratch_effect if point == 0 and axes["image_ratio"] > 0 else 0.0
        if suite == "text":
            return 0.25 + size + 0.02 * point + scratch - 0.01 * (axes["epochs"] - 2)
        if suite != "vision":
            return 0.02
        timing = 0.1 * point if point <= 0.8 else 0.08 - world.timing_gain
        ratio = -0.5 * (axes["image_ratio"] - 0.15) ** 2
        return 0.02 + world.sight + size + timing + ratio + scratch + 0.01 * axes["epochs"]

    def _tokens(self, axes: dict[str, Any]) -> int:
        return int(axes["cooldown_point"] * TRUNK_TOKENS) + BRANCH_TOKENS

    def _run(
        self, name: str, stage: str, title: str, needs: list[str], axes: dict[str, Any]
    ) -> None:
        """Plan a run, mark it done; a run that is there already stays."""
        if name in self.runs:
            return
        arms = list(self.world.arms)
        cost = {"params": 1, "params_total": 2, "tokens": 1_000, "flops": 1e9, "device_hours": 0.01}
        self.runs[name] = {
            "run_id": name,
            "stage": stage,
            "title": title,
            "arms": arms,
            "needs": needs,
            **axes,
            **cost,
        }
        folder = self.folder.run(name)
        folder.attempt(1).path.mkdir(parents=True, exist_ok=True)
        folder.attempt(1).environment.write_text(
            json.dumps({"python": "3.11.7", "torch": "2.13.0", "host": "box <one>"})
        )
        folder.done.write_text("{}")

    def _run_json(self, name: str, config: dict[str, Any]) -> None:
        self.folder.run(name).run_json.write_text(json.dumps({"config": config}))

    def _metrics(self, name: str, begin: int, end: int, *, peak: float, horizon: int) -> None:
        positions = np.linspace(begin, end, 21)[1:]
        rates = 0.5 * peak * (1 + np.cos(np.pi * positions / horizon))
        lines = [
            json.dumps({"step": i, "position": int(position), "loss": 1.0, "learning_rate": rate})
            for i, (position, rate) in enumerate(zip(positions, rates.tolist(), strict=True))
        ]
        self.folder.run(name).path.mkdir(parents=True, exist_ok=True)
        self.folder.run(name).metrics.write_text("\n".join(lines) + "\n")

    def _base(
        self, run_id: str, subject: str, stage: str, axes: dict[str, Any], *, tokens: int
    ) -> dict[str, Any]:
        params = MODELS[axes["model"]]
        names = ("model", "seed", "cooldown_point", "image_ratio", "epochs", "learning_rate_rule")
        return {
            "run_id": run_id,
            "subject": subject,
            "stage": stage,
            **{name: axes.get(name) for name in names},
            "params": params,
            "params_total": params + 4_096,
            "tokens": tokens,
            "text_tokens": tokens,
            "image_tokens": 0,
            "flops": 6.0 * params * tokens,
            "arms": ";".join(self.world.arms),
            "device_hours": 0.01,
            "code": "abc1234",
        }

    def _measure(
        self,
        base: dict[str, Any],
        suite: str,
        benchmark: str,
        metric: str,
        value: float,
        **more: Any,
    ) -> None:
        self.rows.append(
            {
                **base,
                "suite": suite,
                "benchmark": benchmark,
                "metric": metric,
                "value": value,
                "n": more.get("n", 1500),
                "stderr": more.get("err"),
                "baseline": more.get("baseline"),
                "reason": None,
            }
        )

    def _write(self) -> None:
        self.folder.tables.mkdir(parents=True, exist_ok=True)
        results, cells = (
            pd.DataFrame(lines).assign(**dict.fromkeys(UNUSED_AXES))
            for lines in (self.rows, self.cells)
        )
        results.to_parquet(self.folder.tables / "results.parquet")
        cells.to_csv(self.folder.tables / "cells.csv", index=False)
        runs = list(self.runs.values())
        stages = sorted({run["stage"] for run in runs})
        plan = {
            "study": self.folder.path.name,
            "about": "A synthetic study <with> known laws.",
            "feeds": FEEDS,
            "saving": {"tokens": 1_000_000, "flops": 2e12, "device_hours": 1.5},
            "throughput": "assumed",
            "totals": {
                stage: {
                    "runs": sum(run["stage"] == stage for run in runs),
                    "tokens": 1_000,
                    "flops": 1e9,
                    "device_hours": 0.1,
                }
                for stage in stages
            },
            "runs": runs,
        }
        self.folder.plan_json.write_text(json.dumps(plan))


BuildStudy = Callable[..., StudyFolder]


@pytest.fixture(scope="session")
def build_study(tmp_path_factory: pytest.TempPathFactory) -> BuildStudy:
    """Return a function that writes the folder of a world, given its fields."""

    def build(**fields: Any) -> StudyFolder:
        folder = StudyFolder(tmp_path_factory.mktemp("results") / "a study")
        return Builder(folder, World(**fields)).build()

    return build


@pytest.fixture(scope="session")
def study_folder(build_study: BuildStudy) -> StudyFolder:
    """The folder of the default world; read-only by convention."""
    return build_study()


@pytest.fixture(scope="session")
def paper_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper's study with few models in each arm."""
    return small_paper(tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="session")
def paper_folder(paper_file: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """Made-up results of that study, every run done; read-only by convention."""
    return made_study(paper_file, tmp_path_factory.mktemp("paper"))
