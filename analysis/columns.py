"""What the columns of a study's frames mean, and in which unit. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a frame."""

    unit: str
    """Unit or kind of its values."""
    meaning: str
    """What it says."""


_AXIS = Column("as declared", "a setting of the study; empty where a stage has no such setting")

COLUMNS = {
    "run_id": Column("name", "the run; in the results the one that measured the number"),
    "subject": Column("name", "run_id of the model that the number is about"),
    "stage": Column("word", "what the run did"),
    "title": Column("text", "a line for people"),
    "arm": Column("name", "the arm, under whose labels the row stands"),
    "arms": Column("names", "arms that the run serves, separated by semicolons"),
    "needs": Column("names", "runs it waits for, separated by semicolons"),
    "model": Column("name", "the model, as the study names it"),
    "seed": Column("number", "seed of initial weights and data order"),
    "cooldown_point": Column("share", "of the trunk's tokens at which the branch leaves it"),
    "image_ratio": Column("share", "of training tokens that come from image-text samples"),
    "epochs": Column("passes", "over the fine-tuning examples"),
    "learning_rate_rule": Column("word", "how a branch takes up the trunk's learning rate"),
    "encoder": Column("name", "the vision tower, as the study names it"),
    "captions": Column("name", "source of image-text samples"),
    "instructions": Column("name", "source of instruction rows"),
    "instruction_ratio": Column("share", "of the image sequences that are instruction rows"),
    "keep": Column("share", "of captions or documents that a filter keeps"),
    "soup": Column("word", "how the members of a soup are chosen"),
    "text_tokens": Column("tokens", "budget of the text trunk"),
    "image_text_tokens": Column("tokens", "budget of image-text pre-training"),
    "suite": Column("name", "the suite of benchmarks; `loss` for held-out losses"),
    "benchmark": Column("name", "the benchmark, or the split of a loss"),
    "metric": Column("name", "what was measured; `nats_per_token` for losses"),
    "value": Column(
        "by metric", "the number: scores are in [0, 1]; absent where `reason` says why"
    ),
    "n": Column("count", "questions or tokens behind the number"),
    "stderr": Column("as value", "standard error over these"),
    "baseline": Column("as value", "what a random guesser scores"),
    "reason": Column("text", "why the number is absent"),
    "params": Column("count", "N, parameters without embeddings"),
    "params_total": Column("count", "N with embeddings and output layer"),
    "tokens": Column("tokens", "results: D, seen since the initial weights; plan: of this run"),
    "image_tokens": Column("tokens", "those of `tokens` in sequences with images"),
    "flops": Column("FLOP", "results: C since the initial weights; plan: of this run"),
    "vision_flops": Column("FLOP", "those of `flops` in the vision tower"),
    "flops_6nd": Column("FLOP", "6 x params x tokens"),
    "steps": Column("steps", "optimizer steps"),
    "checkpoint_bytes": Column("bytes", "size of the final checkpoint with optimizer state"),
    "device_hours": Column(
        "hours", "results: what the run took; plan: what it was planned to take"
    ),
    "spent_device_hours": Column("hours", "what all attempts took; absent if none is recorded"),
    "devices": Column("count", "devices that work at once"),
    "wall_hours": Column("hours", "planned, from start to end"),
    "memory_gib": Column("GiB", "planned peak memory of one device"),
    "done": Column("yes or no", "whether the run has a result"),
    "missing_because": Column("text", "why it has none"),
    "code": Column("commit", "of the code that ran it"),
    "trunk": Column("name", "run_id of the first segment of the trunk"),
}
"""By name; columns that are not here are settings that the study varies."""


def described(names: Iterable[str]) -> pd.DataFrame:
    """Return unit and meaning of each column, one row each."""
    known = {name: COLUMNS.get(name, _AXIS) for name in names}
    return pd.DataFrame(
        [(name, column.unit, column.meaning) for name, column in known.items()],
        columns=["column", "unit", "meaning"],
    )
