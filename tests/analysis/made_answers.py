"""Answers to single questions behind a made-up study's scores, as evaluations leave them."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.laws.law import Array
from orchestrator.store.layout import StudyFolder

QUESTIONS = 80
"""Of every benchmark."""
Deviations = Callable[[str, str], Array]
"""Evaluation and benchmark -> how far its answers lie from their mean, (QUESTIONS,)."""


def write_answers(folder: StudyFolder, deviations: Deviations, suite: str = "vision") -> None:
    """Give every evaluation of a suite answers; their means become its scores in the table."""
    path = folder.tables / "results.parquet"
    table = pd.read_parquet(path)
    own = table[(table["suite"] == suite) & (table["metric"] == "accuracy")]
    changes: dict[str, float] = {}
    for run_id, rows in own.groupby("run_id"):
        parts: list[pd.DataFrame] = []
        for row in rows.itertuples():
            away = deviations(str(run_id), str(row.benchmark))
            ids = [f"q{i}" for i in range(QUESTIONS)]
            scores = float(str(row.value)) + away
            parts.append(
                pd.DataFrame({"benchmark": row.benchmark, "question_id": ids, "score": scores})
            )
        answers = pd.concat(parts)
        artifacts = folder.run(str(run_id)).artifacts
        artifacts.mkdir(exist_ok=True)
        answers.to_parquet(artifacts / "answers.parquet")
        old = float(rows["value"].mean())
        changes[str(run_id)] = float(answers.groupby("benchmark")["score"].mean().mean()) - old
    is_mean = (
        table["run_id"].isin(list(changes))
        & (table["benchmark"] == "average")
        & table["metric"].isin(["score", "stable_score"])
    )
    table.loc[is_mean, "value"] += table.loc[is_mean, "run_id"].map(changes)
    table.to_parquet(path)


def normal(*names: str) -> Array:
    """Return standard normal numbers that belong to some names, (QUESTIONS,)."""
    return np.random.default_rng(list(" ".join(names).encode())).standard_normal(QUESTIONS)
