"""One row per question, kept so that two runs can be compared question by question."""

# pyarrow ships no types:
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from models.evaluation.problem import Problem
from orchestrator.store.files import replacing

_SCHEMA = pa.schema(
    [
        ("benchmark", pa.string()),
        ("question_id", pa.string()),
        ("prediction", pa.string()),
        ("score", pa.float64()),
        ("baseline", pa.float64()),
        ("loglikelihood", pa.float64()),
        ("probability", pa.float64()),
        ("problems", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answered to one question."""

    benchmark: str
    question_id: str
    prediction: str | None
    """The answer given; None if the question could not be asked."""
    score: float | None
    """In [0, 1]; None where the benchmark has no score of single questions."""
    baseline: float | None
    """What a random guesser scores on this question."""
    loglikelihood: float | None
    """Of the right answer, in nats; None if there is none or it could not be asked."""
    probability: float | None = None
    """Of the right option among all, in [0, 1]; None if the answer is free or it could not be
    asked. It tells two models apart also where both choose the same."""
    problems: tuple[Problem, ...] = ()
    """What was wrong with the row or the answer; each is counted."""


def write_answers(path: Path, answers: Sequence[Answer]) -> None:
    """Replace a parquet file; the same answers give the same bytes."""
    columns = {name: [getattr(answer, name) for answer in answers] for name in _SCHEMA.names}
    columns["problems"] = [" ".join(answer.problems) for answer in answers]
    table = pa.table(columns, schema=_SCHEMA)
    with replacing(path) as temporary:
        pq.write_table(table, temporary)


def count_problems(answers: Sequence[Answer]) -> dict[str, int]:
    """Count each problem over all answers."""
    return dict(Counter(problem.value for answer in answers for problem in answer.problems))
