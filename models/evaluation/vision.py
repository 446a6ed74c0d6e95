"""Ask the benchmarks of a vision suite and score the answers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

from tokenizers import Tokenizer

from models.data.images import ImageSource
from models.data.prompt import answer_text, question_text
from models.data.tokenizer import END_OF_TEXT, IMAGE
from models.evaluation.answers import Answer
from models.evaluation.family import Average, Family
from models.evaluation.generation import Prompt, generate
from models.evaluation.index_file import Benchmark
from models.evaluation.kept import Kept, ask_in_turn
from models.evaluation.likelihood import Continuation, loglikelihoods
from models.evaluation.meter import Meter
from models.evaluation.outcome import Outcome
from models.evaluation.problem import Problem
from models.evaluation.question import Question
from models.evaluation.respondent import Respondent, Tokens
from models.evaluation.scores import Score, macro_score, mean_score
from models.evaluation.shown import shown_images
from models.evaluation.subset import subset
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.suite import SuiteConfig

MAX_NEW_TOKENS = 128
"""Longest free answer, as in vlm-evaluation."""
SPARE_TOKENS = 8
"""A free answer is cut off when it is this much longer than twice the longest right one: it is
wrong by then, unless all the rest are marks and articles that VQA's normalisation deletes."""
QUESTIONS_AT_ONCE = 1024
"""Questions between two reports; bounds the memory for tokens, and never the scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """Who asks: the model, its words and the benchmarks' images."""

    respondent: Respondent
    """The model."""
    tokenizer: Tokenizer
    """The model's."""
    images: ImageSource | None
    """The images that the respondent's features count; None where all is asked blind."""
    suite: SuiteConfig
    """How it is asked."""
    seed: int
    """Seeds the permutation of images."""
    meter: Meter
    """Told of each step."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question in the model's tokens."""

    prompt: Prompt | None
    """None if its image is missing."""
    answer: Tokens
    """The right answer with its END_OF_TEXT."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Option:
    """An answer that can be chosen."""

    text: str
    tokens: Tokens
    """With its END_OF_TEXT."""
    decisive: int
    """Tokens that are compared."""


@dataclass(frozen=True, slots=True)
class _Given:
    """What the model gave back."""

    prediction: str | None
    nats: float | None
    problems: tuple[Problem, ...]


def run_vision_suite(
    examiner: Examiner, benchmarks: Sequence[Benchmark], kept: Kept | None = None
) -> list[Outcome]:
    """Ask every benchmark of a suite, but those whose outcomes are kept.

    Raises:
        ConfigError: if an image and an answer do not fit into the model's sequence.
        DataError: if a single image is to be permuted.
    """
    chosen = [_chosen(benchmark, examiner.suite.limit) for benchmark in benchmarks]
    steps = [len(_chunks(numbers)) for numbers in chosen]

    def ask(number: int) -> Outcome:
        return _ask(examiner, benchmarks[number], chosen[number])

    return ask_in_turn(examiner.meter, steps, ask, kept)


def _chosen(benchmark: Benchmark, limit: int | None) -> list[int]:
    return subset([question.question_id for question in benchmark.questions], limit)


def _chunks(numbers: list[int]) -> list[list[int]]:
    starts = range(0, len(numbers), QUESTIONS_AT_ONCE)
    return [numbers[start : start + QUESTIONS_AT_ONCE] for start in starts]


def _ask(examiner: Examiner, benchmark: Benchmark, chosen: list[int]) -> Outcome:
    family, every = benchmark.family, benchmark.questions
    options = _options(examiner.tokenizer, family.options(every))
    baselines = family.baselines(every)
    right = {question.answer for question in every}
    longest = max(len(_answer_tokens(examiner.tokenizer, answer)) for answer in right)
    room = max([longest, *(len(option.tokens) for option in options)])
    shown = shown_images(
        (question.image for question in every),
        examiner.suite.images,
        seed=examiner.seed,
        benchmark=benchmark.name,
    )
    answers: list[Answer] = []
    for chunk in _chunks(chosen):
        questions = [every[number] for number in chunk]
        asked = [_prepare(examiner, q, shown[q.image], room) for q in questions]
        given = _choose(examiner, asked, options) if options else _write(examiner, asked, longest)
        answers += [
            _scored(benchmark, every[number], one, baselines[number])
            for number, one in zip(chunk, given, strict=True)
        ]
        examiner.meter.advance(len(chunk))
    return _outcome(benchmark, [every[number] for number in chosen], answers)


def _options(tokenizer: Tokenizer, texts: Sequence[str]) -> list[_Option]:
    """Return what to choose from.

    Options are told apart by their first tokens, as in vlm-evaluation; where two begin alike (1 and
    10, cut into digits), by the whole answer.
    """
    tokens = [_answer_tokens(tokenizer, text) for text in texts]
    are_apart = len({option[0] for option in tokens}) == len(tokens)
    return [
        _Option(text, option, 1 if are_apart else len(option))
        for text, option in zip(texts, tokens, strict=True)
    ]


def _answer_tokens(tokenizer: Tokenizer, text: str) -> Tokens:
    return (*tokenizer.encode(answer_text(text), add_special_tokens=False).ids, END_OF_TEXT)


def _prepare(examiner: Examiner, question: Question, image: str | None, longest: int) -> _Asked:
    """Write a question as tokens: the image, then the prompt, which loses its beginning if long.

    There is room left for the benchmark's longest answer.
    """
    answer = _answer_tokens(examiner.tokenizer, question.answer)
    number: int | None = None
    if image is not None:
        assert examiner.images is not None, "the caller opens the images that are shown"
        try:
            number = examiner.images.index(image)
        except DataError:
            return _Asked(None, answer, (Problem.MISSING_IMAGE,))
    respondent = examiner.respondent
    # Without an image a document begins as text documents do in training.
    before = (END_OF_TEXT,) if number is None else (IMAGE,) * respondent.image_tokens
    room = respondent.seq_len + 1 - len(before) - longest
    if room < 1:
        raise ConfigError(
            f"an image of {len(before)} positions and an answer of {longest} leave no room for a "
            f"question in {respondent.seq_len}",
            where="model.seq_len",
            mend="train with longer sequences, or with fewer patches",
        )
    words = examiner.tokenizer.encode(question_text(question.text), add_special_tokens=False).ids
    problems = (Problem.TRUNCATED_QUESTION,) if len(words) > room else ()
    return _Asked(Prompt((*before, *words[-room:]), number), answer, problems)


def _choose(examiner: Examiner, asked: list[_Asked], options: list[_Option]) -> list[_Given]:
    """Take the likeliest option for each question; the first of equals."""
    found = iter(
        loglikelihoods(
            examiner.respondent,
            [
                _continuation(one.prompt, tokens)
                for one in asked
                if one.prompt is not None
                for tokens in (one.answer, *(o.tokens[: o.decisive] for o in options))
            ],
        )
    )
    given: list[_Given] = []
    for one in asked:
        if one.prompt is None:
            given.append(_Given(None, None, one.problems))
            continue
        nats = next(found).nats
        likelihoods = [next(found).nats for _ in options]
        best = options[likelihoods.index(max(likelihoods))]
        given.append(_Given(best.text, nats, one.problems))
    return given


def _write(examiner: Examiner, asked: list[_Asked], longest: int) -> list[_Given]:
    """Let the model answer freely, and ask how likely the right answer was."""
    prompts = [one.prompt for one in asked if one.prompt is not None]
    right = [_continuation(one.prompt, one.answer) for one in asked if one.prompt is not None]
    room = min(MAX_NEW_TOKENS, 2 * longest + SPARE_TOKENS)
    written = iter(generate(examiner.respondent, prompts, max_new_tokens=room))
    found = iter(loglikelihoods(examiner.respondent, right))
    given: list[_Given] = []
    for one in asked:
        if one.prompt is None:
            given.append(_Given(None, None, one.problems))
            continue
        new = next(written)
        text = examiner.tokenizer.decode(list(new.tokens), skip_special_tokens=False).strip()
        problems = one.problems if new.is_finished else (*one.problems, Problem.UNFINISHED_ANSWER)
        given.append(_Given(text, next(found).nats, problems))
    return given


def _continuation(prompt: Prompt, tokens: Tokens) -> Continuation:
    return Continuation((*prompt.tokens, *tokens), len(prompt.tokens), prompt.image)


def _scored(benchmark: Benchmark, question: Question, given: _Given, baseline: float) -> Answer:
    """Score one answer; a question that could not be asked counts as wrong."""
    score, problems = 0.0, given.problems
    if given.prediction is not None:
        score = benchmark.family.score(given.prediction, question)
        problems += benchmark.family.problems(given.prediction, question)
    return Answer(
        benchmark=benchmark.name,
        question_id=question.question_id,
        prediction=given.prediction,
        score=score,
        baseline=baseline,
        loglikelihood=given.nats,
        problems=problems,
    )


def _outcome(benchmark: Benchmark, questions: list[Question], answers: list[Answer]) -> Outcome:
    """Average the answers of a benchmark in every way that its family knows."""
    family = benchmark.family
    baselines = [answer.baseline or 0.0 for answer in answers]
    scores = [answer.score or 0.0 for answer in answers]
    headline, groups = _averages(family, family.metric, questions, scores, baselines)
    constant, _ = Counter(question.answer for question in benchmark.questions).most_common(1)[0]
    constants = [family.score(constant, question) for question in questions]
    majority, _ = _averages(family, "majority_accuracy", questions, constants, None)
    known = [answer.loglikelihood for answer in answers if answer.loglikelihood is not None]
    predictions = [answer.prediction or "" for answer in answers]
    return Outcome(
        benchmark=benchmark.name,
        headline=headline,
        others=(
            *groups,
            majority,
            mean_score("answer_nats", known),
            *family.extra(questions, predictions),
        ),
        answers=tuple(answers),
    )


def _averages(
    family: Family,
    metric: str,
    questions: Sequence[Question],
    scores: Sequence[float],
    baselines: Sequence[float] | None,
) -> tuple[Score, list[Score]]:
    """Return the headline score and those of the groups, if there are several."""
    overall = mean_score(metric, scores, baselines)
    names = sorted({question.group for question in questions})
    if len(names) < 2:
        return overall, []
    groups = [
        _group(f"{metric}_{name}", [q.group == name for q in questions], scores, baselines)
        for name in names
    ]
    return macro_score(metric, groups) if family.average is Average.GROUPS else overall, groups


def _group(
    metric: str,
    inside: Sequence[bool],
    scores: Sequence[float],
    baselines: Sequence[float] | None,
) -> Score:
    return mean_score(
        metric,
        list(compress(scores, inside)),
        None if baselines is None else list(compress(baselines, inside)),
    )
