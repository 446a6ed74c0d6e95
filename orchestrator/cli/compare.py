"""`sweep results compare`: two models on the same questions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from orchestrator.cli.terminal import terminal, whole
from orchestrator.errors import ConfigError, RecordError
from orchestrator.spec.run import Evaluate, Stage
from orchestrator.store.asked import differences, read_asked
from orchestrator.store.layout import RunFolder
from orchestrator.store.records import is_done, read_run

if TYPE_CHECKING:
    import pandas as pd

    from analysis.compare import Gap

ANSWERS, QUESTIONS = "answers.parquet", "questions.json"


def compare(
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help="a model's run_id, or its start")],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="the other's")],
    *,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    seed: Annotated[int, typer.Option(help="seeds the bootstrap")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per benchmark")] = False,
) -> None:
    """Compare two models question by question, and say which gaps are noise.

    A run is a trained model, all of whose evaluations count, or one evaluation. It may be of any
    study. Differences are RUN_B's score minus RUN_A's, with 90 % intervals over questions that
    both were asked; what they were not asked alike is said on stderr.

    Example: sweep results compare 3f2a 91cc
    """
    import numpy as np

    from analysis.compare import gaps

    found = [_evaluations(results, name) for name in (run_a, run_b)]
    suites = [suite for suite in found[0] if suite in found[1]]
    if not suites:
        asked = [", ".join(sorted(one)) or "nothing" for one in found]
        raise ConfigError(
            f"the two were asked no suite in common ({asked[0]}; {asked[1]})",
            "RUN_A RUN_B",
            "compare models that were asked the same suite",
        )
    for suite in suites:
        for sentence in _differences(found[0][suite], found[1][suite]):
            typer.echo(f"not alike: {suite}: {sentence}", err=True)
    rng = np.random.default_rng(seed)
    answers = {suite: [_answers(one[suite]) for one in found] for suite in suites}
    scored = [suite for suite in suites if all(_has_scores(one) for one in answers[suite])]
    rows = [
        (suite, gap)
        for suite in scored or suites
        for gap in gaps(answers[suite][0], answers[suite][1], rng)
    ]
    if as_json:
        for suite, gap in rows:
            typer.echo(json.dumps(_object(suite, gap)))
        return
    terminal().print(whole(_table(rows)))


def _evaluations(results: Path, prefix: str) -> dict[str, RunFolder]:
    """Return the finished evaluations of a model, or one evaluation itself, by suite."""
    folders = sorted(results.glob(f"*/runs/{prefix}*"))
    if len({path.name for path in folders}) != 1:
        named = ", ".join(path.name for path in folders[:8]) or "sweep status --json lists them"
        raise ConfigError(
            f"{len(folders) or 'no'} runs below {results} begin with {prefix!r}", "RUN", named
        )
    run = RunFolder(folders[0])
    if read_run(run).stage is Stage.EVALUATE:
        candidates = [run]
    else:
        siblings = (RunFolder(path) for path in sorted(run.path.parent.iterdir()))
        candidates = [one for one in siblings if _asks(one, run.run_id)]
    return {_suite(one): one for one in candidates if is_done(one)}


def _asks(folder: RunFolder, model: str) -> bool:
    if not folder.run_json.exists():
        return False
    record = read_run(folder)
    return record.stage is Stage.EVALUATE and getattr(record.config, "parent", None) == model


def _suite(folder: RunFolder) -> str:
    suite = getattr(read_run(folder).config, "suite", None)
    return str(getattr(suite, "name", ""))


def _differences(a: RunFolder, b: RunFolder) -> Iterator[str]:
    """Yield what the two evaluations of a suite did not ask alike."""
    one, other = (_source(folder) for folder in (a, b))
    if one != other:
        yield f"A was asked those of {one}, B those of {other}"
    lists = [one.artifacts / QUESTIONS for one in (a, b)]
    for name, path in zip("AB", lists, strict=True):
        if not path.is_file():
            yield f"{name} has no {QUESTIONS} (an older version wrote it), so nobody can tell"
            return
    yield from differences(*(read_asked(path) for path in lists))


def _source(folder: RunFolder) -> str:
    config = read_run(folder).config
    assert isinstance(config, Evaluate), "only evaluations are compared"
    return f"{config.suite.data.name} at version {config.suite.data.version}"


def _answers(folder: RunFolder) -> "pd.DataFrame":
    import pandas as pd

    path = folder.artifacts / ANSWERS
    if not path.is_file():
        raise RecordError(
            "the evaluation left no answers",
            str(path),
            "remove the run's folder and launch again to evaluate it anew",
        )
    return pd.read_parquet(path, columns=["benchmark", "question_id", "score"])


def _has_scores(answers: "pd.DataFrame") -> bool:
    return bool(answers["score"].notna().any())


def _object(suite: str, gap: "Gap") -> dict[str, str | float | int | bool]:
    return {
        "suite": suite,
        "benchmark": gap.benchmark,
        "n": gap.n,
        "only_a": gap.only_a,
        "only_b": gap.only_b,
        "score_a": gap.score_a,
        "score_b": gap.score_b,
        "difference": gap.difference,
        "low": gap.low,
        "high": gap.high,
        "is_noise": gap.is_noise,
    }


def _table(rows: "list[tuple[str, Gap]]") -> Table:
    from analysis.compare import questions_needed

    table = Table(box=None, pad_edge=False)
    for name in ("suite", "benchmark", "n", "A", "B", "B - A", "90 % interval", "", "n to tell"):
        table.add_column(name, justify="left" if name in ("suite", "benchmark", "") else "right")
    for suite, gap in rows:
        needed = questions_needed(gap)
        left = gap.only_a + gap.only_b
        table.add_row(
            suite,
            gap.benchmark,
            f"{gap.n:,}" + (f" (without {left:,})" if left else ""),
            f"{gap.score_a:.3f}",
            f"{gap.score_b:.3f}",
            f"{gap.difference:+.3f}",
            f"\\[{gap.low:+.3f}, {gap.high:+.3f}]",
            "noise" if gap.is_noise else "B is better" if gap.low > 0 else "A is better",
            f"{needed:,}" if gap.is_noise and needed is not None else "",
        )
    return table
