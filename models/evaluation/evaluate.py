"""The stage `evaluate`: ask a trained model one suite of benchmarks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from models.architecture.vlm import VisionLanguageModel
from models.data.images import open_images
from models.data.shards import open_token_shards
from models.data.tokenizer import load_tokenizer
from models.evaluation.answers import count_problems, write_answers
from models.evaluation.held_out import (
    HeldOutExaminer,
    open_named_captions,
    run_held_out_suite,
)
from models.evaluation.index_file import load_benchmarks
from models.evaluation.kept import Kept
from models.evaluation.meter import Meter
from models.evaluation.outcome import Outcome, single_measures, suite_measures
from models.evaluation.prompts import PROMPT_VERSION
from models.evaluation.respondent import ALONE, Respondent
from models.evaluation.text_model import TextModel
from models.evaluation.vision import Examiner, run_vision_suite
from models.training.checkpoint import load_trained
from models.training.features import open_features
from models.training.ranks import Ranks, joined
from models.training.weights import weights_folders
from orchestrator.errors import ConfigError
from orchestrator.spec.run import Evaluate
from orchestrator.spec.suite import Images, SuiteKind
from orchestrator.store.asked import Asked, AskedBenchmark, write_asked
from orchestrator.store.stage import StageContext, StageResult

ANSWERS = "answers.parquet"
"""Name of the file of single answers, among the run's artifacts."""
QUESTIONS = "questions.json"
"""Name of the list of questions that were asked, among the run's artifacts."""
FINISHED = "finished"
"""Name of the folder of outcomes while some benchmarks are not asked yet, among the artifacts."""

Load = Callable[[], VisionLanguageModel]
"""Gives a model, in evaluation mode."""


def evaluate(context: StageContext, *, batch_positions: int | None = None) -> StageResult:
    """Ask a trained model one suite of benchmarks; keep each answer, return the scores.

    When stopped, it goes on with the first benchmark that was not finished, and finds the same.
    Several processes share the work, and all return the same; the first one writes.

    Args:
        context: the run.
        batch_positions: positions of one batch, which bound memory and never the answers; None
            for what suits the device.

    Raises:
        ConfigError: if the suite does not fit the model, or names what does not exist.
        DataError: if benchmarks, images or the tokenizer are missing or damaged.
        StoppedError: if it was asked to stop.
    """
    config = context.config
    assert isinstance(config, Evaluate), "the worker gives each stage its own config"
    with joined(context.world, context.execution) as ranks:
        kept = Kept(
            context.folder.artifacts / FINISHED,
            config.suite.benchmarks,
            ranks=ranks,
            holding=context.holding,
        )
        asking = Asking(
            context=context,
            config=config,
            meter=Meter(context),
            load=lambda: _trained(context, config),
            ranks=ranks,
            kept=kept,
            batch_positions=batch_positions,
        )
        outcomes = ask(asking)
    answers = [answer for outcome in outcomes for answer in outcome.answers]
    if context.world.is_first:
        write_asked(context.folder.artifacts / QUESTIONS, _asked(outcomes))
        write_answers(context.folder.artifacts / ANSWERS, answers)
        kept.clear()
    is_scored = config.suite.kind is not SuiteKind.HELD_OUT  # losses and distances have no average
    measures = suite_measures if is_scored else single_measures
    return StageResult(
        measures=measures(config.suite.name, outcomes),
        counts={
            "questions": len(answers),
            "prompt_version": PROMPT_VERSION,
            **count_problems(answers),
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A model that is to be asked, and by whom."""

    context: StageContext
    """Gives folders of data and of the tower's run."""
    config: Evaluate
    """What is asked, and of what kind of model."""
    meter: Meter
    """Says how far it is."""
    load: Load
    """Gives the model, in evaluation mode; called once nothing else can be wrong."""
    ranks: Ranks = ALONE
    """The processes that share the work; all ask the same."""
    kept: Kept | None = None
    """Keeps the outcomes of finished benchmarks; None if nothing is kept."""
    batch_positions: int | None = None
    """Positions of one batch; None for what suits the device."""


def ask(asking: Asking) -> list[Outcome]:
    """Ask a model the benchmarks of a suite.

    Raises:
        ConfigError: if the suite does not fit the model, or names what does not exist.
        DataError: if benchmarks, images or the tokenizer are missing or damaged.
        StoppedError: if it was asked to stop.
    """
    asks = {SuiteKind.TEXT: _text, SuiteKind.VISION: _vision, SuiteKind.HELD_OUT: _held_out}
    return asks[asking.config.suite.kind](asking)


def _asked(outcomes: Sequence[Outcome]) -> Asked:
    return Asked(
        prompt_version=PROMPT_VERSION,
        benchmarks=tuple(
            AskedBenchmark.of(
                outcome.benchmark, [one.question_id for one in outcome.answers], outcome.versions
            )
            for outcome in outcomes
        ),
    )


def _trained(context: StageContext, config: Evaluate) -> VisionLanguageModel:
    folder = context.parent(config.parent)
    published = weights_folders(context, config.vision)
    return load_trained(folder, config.model, config.vision, published)


def _text(asking: Asking) -> list[Outcome]:
    from models.evaluation.text import TextExaminer, run_text_suite  # lm-eval imports for seconds

    folder = asking.context.data(asking.config.suite.data)
    tokenizer = _tokenizer(folder, asking.config)
    model = TextModel(_respondent(asking), tokenizer)
    examiner = TextExaminer(model, folder, asking.config.suite, asking.meter)
    return run_text_suite(examiner, asking.kept)


def _shows_images(config: Evaluate) -> bool:
    shows_images = config.suite.images is not Images.BLIND
    if shows_images and config.vision is None:
        raise ConfigError(
            "a model of text alone cannot be shown images",
            where="suite.images",
            mend=f"ask it {Images.BLIND.value}, or evaluate a model with vision",
        )
    return shows_images


def _held_out(asking: Asking) -> list[Outcome]:
    config = asking.config
    shown = config.vision if _shows_images(config) else None
    folder = asking.context.data(config.suite.data)
    _tokenizer(folder, config)  # another collection's is refused
    captions, names = open_named_captions(
        folder, config.model.vocab_size, config.model.seq_len, shown.image_tokens if shown else 0
    )
    text = None
    if config.suite.text is not None:
        part = asking.context.data(config.suite.text)
        text = open_token_shards(part, config.model.seq_len, config.model.vocab_size)
    examiner = HeldOutExaminer(
        respondent=_respondent(asking),
        captions=captions,
        names=names,
        text=text,
        suite=config.suite,
        seed=config.seed,
        meter=asking.meter,
    )
    return run_held_out_suite(examiner, asking.kept)


def _vision(asking: Asking) -> list[Outcome]:
    config = asking.config
    shows_images = _shows_images(config)
    folder = asking.context.data(config.suite.data)
    benchmarks = load_benchmarks(folder, config.suite.benchmarks)
    tokenizer = _tokenizer(folder, config)
    examiner = Examiner(
        images=open_images(folder) if shows_images else None,
        respondent=_respondent(asking),
        tokenizer=tokenizer,
        suite=config.suite,
        seed=config.seed,
        meter=asking.meter,
    )
    return run_vision_suite(examiner, benchmarks, asking.kept)


def _respondent(asking: Asking) -> Respondent:
    context, config = asking.context, asking.config
    suite, vision, features = config.suite, config.vision, None
    if vision and suite.kind is not SuiteKind.TEXT and suite.images is not Images.BLIND:
        features = open_features(context, suite.data, vision, config.tower)
    return Respondent(
        model=asking.load().to(context.execution.device.value),
        seq_len=config.model.seq_len,
        image_tokens=vision.image_tokens if vision else 0,
        features=features,
        execution=context.execution,
        tick=asking.meter.tick,
        batch_positions=asking.batch_positions,
        ranks=asking.ranks,
    )


def _tokenizer(folder: Path, config: Evaluate) -> Tokenizer:
    tokenizer = load_tokenizer(folder.parent)
    words = tokenizer.get_vocab_size()
    if words > config.model.vocab_size:
        raise ConfigError(
            f"the tokenizer has {words} tokens, the model only {config.model.vocab_size}",
            where="model.vocab_size",
            mend=f"evaluate on benchmarks of the collection it was trained on, not {folder.parent}",
        )
    return tokenizer
