"""From the harness's scores of tasks to the outcome of a benchmark. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.evaluation.answers import Answer
from models.evaluation.outcome import Outcome
from models.evaluation.scores import Score, mean_score


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScores:
    """What the harness found for one task."""

    means: Mapping[str, list[float]]
    """Metrics that are means over questions, with each question's value; the first one leads."""
    others: tuple[Score, ...]
    """Metrics that are not."""
    answers: tuple[Answer, ...]
    """One for each question."""


def join_tasks(benchmark: str, tasks: Sequence[TaskScores]) -> Outcome:
    """Return the outcome of a benchmark of one task or more, in which each question counts alike.

    Metrics that are no means over questions are those of single tasks, and are not joined.
    """
    answers = tuple(answer for task in tasks for answer in task.answers)
    baselines = [answer.baseline for answer in answers if answer.baseline is not None]
    joint = [metric for metric in tasks[0].means if all(metric in task.means for task in tasks)]
    means = [
        mean_score(
            metric, [value for task in tasks for value in task.means[metric]], baselines or None
        )
        for metric in joint
    ]
    nats = [answer.loglikelihood for answer in answers if answer.loglikelihood is not None]
    absent = Score(
        metric="acc", value=None, n=len(answers), reason="no metric is a mean over questions"
    )
    return Outcome(
        benchmark=benchmark,
        headline=means[0] if means else absent,
        others=(
            *means[1:],
            *([mean_score("answer_nats", nats)] if nats else []),
            *(tasks[0].others if len(tasks) == 1 else ()),
        ),
        answers=answers,
    )
