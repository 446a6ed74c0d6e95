"""Text benchmarks through EleutherAI's harness (lm-eval), which no other module imports.

Tasks that lie with the data (`tasks/<name>.yaml` and a file of documents) are built in memory: no
network, no cache folder, no scan of the harness's own tasks. Other names are the harness's.
"""

# lm-eval ships no types:
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import metadata
from itertools import compress
from pathlib import Path
from typing import Any, cast

from lm_eval import evaluator, utils
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.api.model import LM
from lm_eval.api.task import ConfigurableTask
from lm_eval.config.task import TaskConfig
from lm_eval.tasks import TaskManager

from models.evaluation.answers import Answer
from models.evaluation.kept import Kept, ask_in_turn
from models.evaluation.meter import Meter
from models.evaluation.outcome import Outcome
from models.evaluation.problem import Problem
from models.evaluation.scores import Score
from models.evaluation.subset import subset
from models.evaluation.task_file import Document, Documents, read_task
from models.evaluation.text_model import EmptyError, TextModel, Written, cut_at
from models.evaluation.text_outcome import TaskScores, join_tasks
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.suite import SuiteConfig

FEWSHOT_SEED = 1234
"""The harness's default, so that its few-shot examples are the published ones."""
MAX_NEW_TOKENS = 256
"""The harness's default where a task does not say."""
_PLACES = re.compile(r"{{.*?}}|{%.*?%}", re.DOTALL)
Options = Mapping[str, Any]
"""How a task wants text to be generated; the keys are the harness's."""


@dataclass(frozen=True, slots=True)
class TextExaminer:
    """Who asks: the model, its words and the tasks."""

    model: TextModel
    """The model with its tokenizer."""
    folder: Path
    """The benchmarks' folder; local tasks lie in its `tasks`."""
    suite: SuiteConfig
    """Names of local tasks, or of the harness's tasks, groups and tags."""
    meter: Meter
    """Told of each benchmark."""


def run_text_suite(examiner: TextExaminer, kept: Kept | None = None) -> list[Outcome]:
    """Ask every benchmark of a text suite, but those whose outcomes are kept.

    Where several processes ask, the harness does the same in each of them, and the model's
    batches are dealt.

    Raises:
        ConfigError: if a task is unknown or asks for sampling.
        DataError: if a task or its documents cannot be read.
    """
    suite, meter = examiner.suite, examiner.meter
    lm = HarnessModel(examiner.model)

    def ask(number: int) -> Outcome:
        name = suite.benchmarks[number]
        outcome = _ask(lm, name, load_tasks(examiner.folder / "tasks", name), suite.limit)
        meter.advance(len(outcome.answers))
        return outcome

    return ask_in_turn(meter, [1] * len(suite.benchmarks), ask, kept)


def _ask(
    lm: "HarnessModel", name: str, tasks: list[ConfigurableTask], limit: int | None
) -> Outcome:
    asked = [_Asked.of(task, limit) for task in tasks]
    for task in tasks:
        task.set_fewshot_seed(FEWSHOT_SEED)
    results = cast(
        dict[str, Any],
        evaluator.evaluate(
            lm=lm,
            task_dict={"tasks": {one.name: one.task for one in asked}},
            samples=None if limit is None else {one.name: one.documents for one in asked},
            bootstrap_iters=0,  # the standard errors are ours
        ),
    )
    outcome = join_tasks(name, [_scores(name, one, results, lm.problems) for one in asked])
    return replace(outcome, versions=_versions(results, asked))


def _versions(results: Mapping[str, Any], asked: Sequence["_Asked"]) -> tuple[str, ...]:
    """Return the harness's version and, as far as they have one, the tasks'."""
    known: Mapping[str, object] = results["versions"]
    tasks = [f"{one.name} {known[one.name]}" for one in asked if known.get(one.name) is not None]
    return (f"lm-eval {metadata.version('lm-eval')}", *tasks)


class HarnessModel(LM):
    """A model as the harness sees it."""

    def __init__(self, model: TextModel) -> None:
        super().__init__()
        self._model = model
        self.problems: dict[tuple[str | None, int | None], set[Problem]] = defaultdict(set)
        """What was wrong, by task and by the document's number among those that are asked."""

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Score each (context, continuation): nats, and whether it is the greedy choice.

        Raises:
            DataError: if a choice is empty: it would be certain whatever the model.
        """
        try:
            read = self._model.read([cast(tuple[str, str], request.args) for request in requests])
        except EmptyError as error:
            empty = requests[error.number]
            document = str(cast(object, empty.doc))
            raise DataError(
                f"a choice of this document is empty: {document[:200]}",
                where=str(empty.task_name),
                mend="give each choice a text of its own, or leave the document out",
            ) from error
        self._note(requests, [one.is_truncated for one in read], Problem.TRUNCATED_CONTEXT)
        return [(one.nats, one.is_greedy) for one in read]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Score each whole text, in nats."""
        texts = [cast(tuple[str], request.args)[0] for request in requests]
        return [one.nats for one in self._model.read_whole(texts)]

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Generate greedily for each (context, options), up to one of the option `until`.

        Raises:
            ConfigError: if a task asks for sampling.
        """
        written: dict[int, Written] = {}
        asked = [cast(tuple[str, Options], request.args) for request in requests]
        for marks in dict.fromkeys(_marks(options) for _, options in asked):
            alike = [n for n, (_, options) in enumerate(asked) if _marks(options) == marks]
            rooms = [_room(asked[n][1], requests[n]) for n in alike]
            new = self._model.write([asked[n][0] for n in alike], rooms, marks)
            written.update(zip(alike, new, strict=True))
        texts = [cut_at(written[n].text, _marks(options)) for n, (_, options) in enumerate(asked)]
        lost = [written[n].is_truncated for n in range(len(asked))]
        self._note(requests, lost, Problem.TRUNCATED_CONTEXT)
        self._note(requests, [not text.strip() for text in texts], Problem.EMPTY_ANSWER)
        is_open = [
            text == written[n].text and not written[n].is_finished for n, text in enumerate(texts)
        ]
        self._note(requests, is_open, Problem.UNFINISHED_ANSWER)
        return texts

    def _note(self, requests: list[Instance], has: list[bool], problem: Problem) -> None:
        for request in compress(requests, has):
            self.problems[request.task_name, request.doc_id].add(problem)


class LocalTask(ConfigurableTask):
    """A task whose documents are already in memory."""

    def __init__(self, config: dict[str, Any], documents: Documents) -> None:
        self._documents = documents
        super().__init__(config=config)

    def download(self, dataset_kwargs: Mapping[str, Any] | None = None, **_: object) -> None:
        """Take the documents as the split that is evaluated; there is no other."""
        del dataset_kwargs
        self.dataset = {self.config.test_split: self._documents}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A task and which of its documents are asked."""

    task: ConfigurableTask
    documents: list[int]
    question_ids: list[str]

    @classmethod
    def of(cls, task: ConfigurableTask, limit: int | None) -> "_Asked":
        """Choose the documents: by their `question_id` if each has its own, else by number."""
        rows = cast(Sequence[Document], task.eval_docs)
        ids = [str(row.get("question_id", number)) for number, row in enumerate(rows)]
        if len(set(ids)) < len(ids):
            ids = [str(number) for number in range(len(ids))]
        documents = subset(ids, limit)
        return cls(task, documents, [ids[number] for number in documents])

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.task_name


def load_tasks(folder: Path, name: str) -> list[ConfigurableTask]:
    """Return the tasks of one benchmark: a local one, or a harness's task, group or tag.

    Raises:
        ConfigError: if there is no such task, or its documents cannot be had.
        DataError: if a local task cannot be read.
    """
    path = folder / f"{name}.yaml"
    return [_local_task(path, name)] if path.exists() else _harness_tasks(folder, name)


@cache
def harness_index() -> TaskManager:
    """Scan the harness's thousands of tasks, which takes many seconds, once in a process."""
    return TaskManager()


def _harness_tasks(folder: Path, name: str) -> list[ConfigurableTask]:
    """Look a name up among the harness's own."""
    try:
        loaded = harness_index().load(name)["tasks"]
    except KeyError as error:
        local = ", ".join(sorted(path.stem for path in folder.glob("*.yaml"))) or "none"
        raise ConfigError(
            f"there is no text benchmark {name!r}",
            where="suite.benchmarks",
            mend=f"name a task of lm-eval or one of those in {folder}: {local}",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"the documents of {name} cannot be had ({error})",
            where="suite.benchmarks",
            mend=f"run once with a network, or put {name}.yaml with its documents in {folder}",
        ) from error
    return cast(list[ConfigurableTask], list(loaded.values()))


def _local_task(path: Path, name: str) -> LocalTask:
    config, documents = read_task(path)
    unknown = sorted(set(config) - {field.name for field in fields(TaskConfig)})
    if unknown:
        raise DataError(
            f"unknown keys: {', '.join(unknown)}", str(path), "use the keys of lm-eval's tasks"
        )
    split = config.get("test_split") or config.get("validation_split") or "test"
    text = config.get("doc_to_text")
    is_key = (
        isinstance(text, str) and text in documents.features
    )  # then the harness takes the document's own text
    compiled = None if is_key else _compiled(text)
    ours = {"task": name, "test_split": split, "doc_to_text": compiled or text}
    return LocalTask({**config, **ours}, documents)


def _compiled(template: object) -> Callable[[Document], str] | None:
    """Compile a template once, where the harness would do so for each document.

    One without words of its own is left to the harness, which may take a number out of it.
    """
    if not isinstance(template, str) or not re.search(r"[^\W\d]", _PLACES.sub("", template)):
        return None
    compiled = utils.env.from_string(template)
    return lambda doc: compiled.render(**doc)


def _scores(
    benchmark: str,
    asked: _Asked,
    results: Mapping[str, Any],
    problems: Mapping[tuple[str | None, int | None], set[Problem]],
) -> TaskScores:
    task, n = asked.task, len(asked.documents)
    samples = cast(list[dict[str, Any]], results["samples"][asked.name])
    first = samples[0]["filter"]
    means: dict[str, list[float]] = {}
    others: list[Score] = []
    for key, value in results["results"][asked.name].items():
        metric, comma, chosen = key.partition(",")
        if not comma or metric.endswith("_stderr"):
            continue
        label = metric if chosen == first else f"{metric}_{chosen}"
        if task.aggregation().get(metric) is mean:
            means[label] = [float(s[metric]) for s in samples if s["filter"] == chosen]
        else:
            others.append(Score(metric=label, value=float(value), n=n))
    leading = next(iter(means.values()), [None] * n)
    prefix = "" if asked.name == benchmark else f"{asked.name}/"
    answers: list[Answer] = []
    for number, sample in enumerate(s for s in samples if s["filter"] == first):
        found = _found(task, sample)
        answers.append(
            Answer(
                benchmark=benchmark,
                question_id=prefix + asked.question_ids[number],
                prediction=found.prediction,
                score=leading[number],
                baseline=found.baseline if means else None,
                loglikelihood=found.nats,
                problems=tuple(sorted(problems.get((asked.name, number), ()))),
            )
        )
    return TaskScores(means=means, others=tuple(others), answers=tuple(answers))


@dataclass(frozen=True, slots=True)
class _Found:
    """What the harness found for one document."""

    prediction: str | None
    nats: float | None
    """Log-likelihood of the right answer, or of the likeliest of several."""
    baseline: float = 0.0
    """What a random guesser scores; a text cannot be guessed."""


def _found(task: ConfigurableTask, sample: Mapping[str, Any]) -> _Found:
    responses: list[Any] = sample["filtered_resps"]
    if task.OUTPUT_TYPE == "generate_until":
        return _Found(str(responses[0]), None)
    if task.OUTPUT_TYPE == "loglikelihood":
        nats, is_greedy = responses[0]
        return _Found(str(sample["target"]) if is_greedy else None, nats)
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return _Found(None, responses[0])
    choices = task.doc_to_choice(sample["doc"])
    likelihoods = [nats for nats, _ in responses[: len(choices)]]
    right = _right_choices(task, sample, choices)
    return _Found(
        choices[likelihoods.index(max(likelihoods))],
        max((likelihoods[number] for number in right), default=None),
        len(right) / len(choices),
    )


def _right_choices(
    task: ConfigurableTask, sample: Mapping[str, Any], choices: list[str]
) -> list[int]:
    """Return which choices are right: the harness takes a number, a text or a list of either."""
    target: object = task.doc_to_text(sample["doc"]) if task.multiple_input else sample["target"]
    targets = cast(list[object], target) if isinstance(target, list) else [target]
    by_text = {choice: number for number, choice in enumerate(choices)}
    numbers = [by_text.get(one) if isinstance(one, str) else one for one in targets]
    return [n for n in numbers if isinstance(n, int) and 0 <= n < len(choices)]


def _room(options: Options, request: Instance) -> int:
    if options.get("do_sample") or float(options.get("temperature", 0)) > 0:
        raise ConfigError(
            f"the task {request.task_name} asks for sampling",
            where="suite.benchmarks",
            mend="choose a task that is answered greedily (do_sample: false, temperature: 0)",
        )
    return int(options.get("max_gen_toks", MAX_NEW_TOKENS))


def _marks(options: Options) -> tuple[str, ...]:
    until: str | list[str] | None = options.get("until")
    return (until,) if isinstance(until, str) else tuple(until or ())
