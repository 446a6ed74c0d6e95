"""Ask the benchmarks of a vision suite and score the answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress

from tokenizers import Tokenizer

from models.data.images import ImageSource
from models.data.prompt import question_text
from models.data.tokenizer import END_OF_TEXT, IMAGE
from models.evaluation.answers import Answer
from models.evaluation.asked import Asked, Given, answer_tokens
from models.evaluation.choosing import choose, to_choose_from
from models.evaluation.discrimination import Probabilities
from models.evaluation.family import Average, Family
from models.evaluation.generation import Prompt
from models.evaluation.index_file import Benchmark
from models.evaluation.kept import Kept, ask_in_turn
from models.evaluation.meter import Meter
from models.evaluation.outcome import Outcome
from models.evaluation.problem import Problem
from models.evaluation.question import Question
from models.evaluation.respondent import Respondent
from models.evaluation.scores import Score, macro_score, mean_score
from models.evaluation.shown import shown_images
from models.evaluation.subset import subset
from models.evaluation.writing import write
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.suite import SuiteConfig

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
    every = benchmark.questions
    family = benchmark.family.of_index(every)
    benchmark = replace(benchmark, family=family)
    options = to_choose_from(examiner.tokenizer, family.options(every))
    baselines = family.baselines(every)
    right = {question.answer for question in every}
    longest = max(len(answer_tokens(examiner.tokenizer, answer)) for answer in right)
    room = max([longest, *(len(option.tokens) for option in options)])
    shown = shown_images(
        (question.image for question in every),
        examiner.suite.images,
        seed=examiner.seed,
        benchmark=benchmark.name,
    )
    answers: list[Answer] = []
    probabilities: list[Probabilities] = []
    for chunk in _chunks(chosen):
        questions = [every[number] for number in chunk]
        asked = [_prepare(examiner, q, shown[q.image], room) for q in questions]
        if options:
            given = choose(examiner.respondent, asked, options)
        else:
            given = write(examiner.respondent, examiner.tokenizer, asked, longest)
        probabilities += [one.probabilities for one in given]
        answers += [
            _scored(benchmark, every[number], one, baselines[number])
            for number, one in zip(chunk, given, strict=True)
        ]
        examiner.meter.advance(len(chunk))
    return _outcome(benchmark, [every[number] for number in chosen], answers, probabilities)


def _prepare(examiner: Examiner, question: Question, image: str | None, longest: int) -> Asked:
    """Write a question as tokens: the image, then the prompt, which loses its beginning if long.

    There is room left for the benchmark's longest answer.
    """
    answer = answer_tokens(examiner.tokenizer, question.answer)
    number: int | None = None
    if image is not None:
        assert examiner.images is not None, "the caller opens the images that are shown"
        try:
            number = examiner.images.index(image)
        except DataError:
            return Asked(None, answer, (Problem.MISSING_IMAGE,))
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
    return Asked(Prompt((*before, *words[-room:]), number), answer, problems)


def _scored(benchmark: Benchmark, question: Question, given: Given, baseline: float) -> Answer:
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
        probability=given.probabilities.get(question.answer),
        problems=problems,
    )


def _outcome(
    benchmark: Benchmark,
    questions: list[Question],
    answers: list[Answer],
    probabilities: list[Probabilities],
) -> Outcome:
    """Average the answers of a benchmark in every way that its family knows.

    A question that could not be asked is wrong in the headline and in what is counted of answers,
    as an answer that is missing from a submission is; no likelihood is known of it, so that it is
    left out of what is made of likelihoods. `unasked_rate` is the share of such questions.
    """
    family = benchmark.family
    baselines = [answer.baseline or 0.0 for answer in answers]
    scores = [answer.score or 0.0 for answer in answers]
    headline, groups = _averages(family, family.metric, questions, scores, baselines)
    chances = [answer.probability for answer in answers if answer.probability is not None]
    known = [answer.loglikelihood for answer in answers if answer.loglikelihood is not None]
    predictions = [answer.prediction or "" for answer in answers]
    return Outcome(
        benchmark=benchmark.name,
        headline=headline,
        others=(
            *groups,
            *_constants(benchmark, questions),
            mean_score("unasked_rate", [float(answer.prediction is None) for answer in answers]),
            mean_score("answer_nats", known),
            *([mean_score("answer_probability", chances)] if chances else []),
            *family.extra(questions, predictions, probabilities),
        ),
        answers=tuple(answers),
    )


def _constants(benchmark: Benchmark, questions: Sequence[Question]) -> list[Score]:
    """Score the answers that a model could give without looking."""
    family = benchmark.family
    return [
        _averages(family, metric, questions, [family.score(text, q) for q in questions], None)[0]
        for metric, text in family.constants(benchmark.questions).items()
    ]


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
