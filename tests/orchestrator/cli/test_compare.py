"""`sweep results compare` as a user meets it: two evaluations of other questions are not silent."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd

from orchestrator.spec.identity import run_id
from orchestrator.spec.model import ModelConfig, Norm
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.run import Evaluate, Stage, TextPretrain
from orchestrator.spec.schedule import Schedule
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import SuiteConfig, SuiteKind
from orchestrator.store.asked import Asked, AskedBenchmark, write_asked
from orchestrator.store.layout import RunFolder
from orchestrator.store.records import RunRecord, write_done, write_result, write_run
from orchestrator.store.stage import StageResult

FUNCTION = "models.stages:evaluate"
SUITE = SuiteConfig(
    name="vision",
    kind=SuiteKind.VISION,
    data=DataSource(name="shapeworld/benchmarks", version="v1"),
    benchmarks=("vqa",),
)
CONFIG = Evaluate(
    model=ModelConfig(
        width=16, depth=2, heads=2, vocab_size=512, seq_len=96, norm=Norm.RMS, qk_norm=True
    ),
    vision=None,
    suite=SUITE,
    parent="a" * 12,
    tower=None,
    seed=0,
)


def finished(
    results: Path,
    config: Evaluate,
    ids: list[str],
    *,
    lists: bool = True,
    score: float | None = 1.0,
) -> str:
    """Write the folder of a finished evaluation, in which each question was answered alike."""
    name = run_id(config, FUNCTION)
    folder = RunFolder(results / "a study" / "runs" / name)
    record = RunRecord(
        study="a study",
        run_id=name,
        stage=Stage.EVALUATE,
        function=FUNCTION,
        config=config,
        needs=(config.parent,),
        previous=None,
        arms=("arm",),
        axes=(),
        title="evaluate",
    )
    write_run(folder, record)
    folder.artifacts.mkdir()
    answers = pd.DataFrame({"benchmark": "vqa", "question_id": ids, "score": score})
    answers.to_parquet(folder.artifacts / "answers.parquet")
    if lists:
        benchmark = AskedBenchmark.of("vqa", ids, ())
        asked = Asked(prompt_version=1, benchmarks=(benchmark,))
        write_asked(folder.artifacts / "questions.json", asked)
    write_result(folder, StageResult(measures=(), counts={}))
    write_done(folder)
    return name


def compare(results: Path, a: str, b: str) -> tuple[dict[str, object], list[str]]:
    """Return the one gap, and the lines on stderr."""
    command = [sys.executable, "-m", "orchestrator.cli.main", "results", "compare", a, b]
    said = subprocess.run(
        [*command, "--results", str(results), "--json"], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout), said.stderr.splitlines()


def test_other_subsets_are_said_and_what_is_common_is_compared(tmp_path: Path) -> None:
    a = finished(tmp_path, replace(CONFIG, suite=replace(SUITE, limit=3)), ["1", "2", "3"])
    b = finished(tmp_path, CONFIG, ["2", "3", "4", "5"])
    gap, lines = compare(tmp_path, a, b)
    assert (gap["n"], gap["only_a"], gap["only_b"]) == (2, 1, 2)
    (line,) = lines
    assert "vision: vqa: other subsets of questions (A 3, B 4)" in line


def test_the_same_questions_are_compared_in_silence(tmp_path: Path) -> None:
    a = finished(tmp_path, CONFIG, ["1", "2"])
    b = finished(tmp_path, replace(CONFIG, parent="b" * 12), ["1", "2"])
    gap, lines = compare(tmp_path, a, b)
    assert gap["n"] == 2
    assert lines == []


def test_other_data_and_a_missing_list_are_said(tmp_path: Path) -> None:
    data = DataSource(name="shapeworld/benchmarks", version="v2")
    a = finished(tmp_path, CONFIG, ["1", "2"])
    b = finished(tmp_path, replace(CONFIG, suite=replace(SUITE, data=data)), ["1"], lists=False)
    _, lines = compare(tmp_path, a, b)
    assert "at version v1, B those of" in lines[0]
    assert "B has no questions.json" in lines[1]


def trained(results: Path, seed: int) -> str:
    """Write the folder of a model that evaluations may name."""
    config = TextPretrain(
        model=CONFIG.model,
        text=SUITE.data,
        val_text=None,
        end_tokens=960,
        batch_tokens=96,
        schedule=Schedule.flat(1e-3),
        optimizer=OptimizerConfig(),
        seed=seed,
    )
    model = run_id(config)
    record = RunRecord(
        study="a study",
        run_id=model,
        stage=Stage.TEXT_PRETRAIN,
        function="models.stages:text_pretrain",
        config=config,
        needs=(),
        previous=None,
        arms=("arm",),
        axes=(),
        title="trunk",
    )
    write_run(RunFolder(results / "a study" / "runs" / model), record)
    return model


def test_a_suite_without_scores_of_single_questions_does_not_hide_the_others(
    tmp_path: Path,
) -> None:
    held_out = replace(
        SUITE, name="before", kind=SuiteKind.HELD_OUT, benchmarks=("modality_integration_rate",)
    )
    models = [trained(tmp_path, seed) for seed in (0, 1)]
    for model in models:
        finished(tmp_path, replace(CONFIG, parent=model), ["1", "2"], score=0.0)
        config = replace(CONFIG, suite=held_out, parent=model)
        finished(tmp_path, config, ["1", "2"], score=None)
    gap, said = compare(tmp_path, *models)
    assert (gap["suite"], gap["n"], gap["score_a"]) == ("vision", 2, 0.0)
    assert said == []
