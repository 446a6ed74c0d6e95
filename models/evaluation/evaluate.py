"""The stage `evaluate`: ask a trained model one suite of benchmarks."""

from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer

from models.architecture.vlm import VisionLanguageModel
from models.data.images import open_images
from models.data.tokenizer import load_tokenizer
from models.evaluation.answers import count_problems, write_answers
from models.evaluation.index_file import load_benchmarks
from models.evaluation.meter import Meter
from models.evaluation.outcome import Outcome, suite_measures
from models.evaluation.prompts import PROMPT_VERSION
from models.evaluation.respondent import Respondent
from models.evaluation.vision import Examiner, run_vision_suite
from models.training.checkpoint import load_trained
from models.training.features import open_features
from models.training.weights import weights_folders
from orchestrator.errors import ConfigError
from orchestrator.spec.run import Evaluate
from orchestrator.spec.suite import Images, SuiteKind
from orchestrator.store.stage import StageContext, StageResult

ANSWERS = "answers.parquet"
"""Name of the file of single answers, among the run's artifacts."""

Load = Callable[[], VisionLanguageModel]
"""Gives a model, in evaluation mode."""


def evaluate(context: StageContext) -> StageResult:
    """Ask a trained model one suite of benchmarks; keep each answer, return the scores.

    An evaluation has no checkpoint: when stopped, it starts anew and finds the same.

    Raises:
        ConfigError: if the suite does not fit the model, or names what does not exist.
        DataError: if benchmarks, images or the tokenizer are missing or damaged.
        StoppedError: if it was asked to stop.
    """
    config = context.config
    assert isinstance(config, Evaluate), "the worker gives each stage its own config"
    outcomes = ask(context, config, Meter(context), lambda: _trained(context, config))
    answers = [answer for outcome in outcomes for answer in outcome.answers]
    write_answers(context.folder.artifacts / ANSWERS, answers)
    return StageResult(
        measures=suite_measures(config.suite.name, outcomes),
        counts={
            "questions": len(answers),
            "prompt_version": PROMPT_VERSION,
            **count_problems(answers),
        },
    )


def ask(context: StageContext, config: Evaluate, meter: Meter, load: Load) -> list[Outcome]:
    """Ask a model the benchmarks of a suite.

    Args:
        context: gives folders of data and of the tower's run.
        config: what is asked, and of what kind of model.
        meter: says how far it is.
        load: gives the model, in evaluation mode; called once nothing else can be wrong.

    Raises:
        ConfigError: if the suite does not fit the model, or names what does not exist.
        DataError: if benchmarks, images or the tokenizer are missing or damaged.
        StoppedError: if it was asked to stop.
    """
    if config.suite.kind is SuiteKind.TEXT:
        return _text(context, config, meter, load)
    return _vision(context, config, meter, load)


def _trained(context: StageContext, config: Evaluate) -> VisionLanguageModel:
    folder = context.parent(config.parent)
    published = weights_folders(context, config.vision)
    return load_trained(folder, config.model, config.vision, published)


def _text(context: StageContext, config: Evaluate, meter: Meter, load: Load) -> list[Outcome]:
    from models.evaluation.text import run_text_suite  # lm-eval takes seconds to import

    folder = context.data(config.suite.data)
    tokenizer = _tokenizer(folder, config)
    respondent = _respondent(context, config, meter, load())
    return run_text_suite(respondent, tokenizer, folder, config.suite, meter)


def _vision(context: StageContext, config: Evaluate, meter: Meter, load: Load) -> list[Outcome]:
    shows_images = config.suite.images is not Images.BLIND
    if shows_images and config.vision is None:
        raise ConfigError(
            "a model of text alone cannot be shown images",
            where="suite.images",
            mend=f"ask it {Images.BLIND.value}, or evaluate a model with vision",
        )
    folder = context.data(config.suite.data)
    examiner = Examiner(
        respondent=_respondent(context, config, meter, load()),
        tokenizer=_tokenizer(folder, config),
        images=open_images(folder) if shows_images else None,
        suite=config.suite,
        seed=config.seed,
        meter=meter,
    )
    return run_vision_suite(examiner, load_benchmarks(folder, config.suite.benchmarks))


def _respondent(
    context: StageContext, config: Evaluate, meter: Meter, model: VisionLanguageModel
) -> Respondent:
    suite, vision, features = config.suite, config.vision, None
    if vision and suite.kind is SuiteKind.VISION and suite.images is not Images.BLIND:
        features = open_features(context, suite.data, vision, config.tower)
    return Respondent(
        model=model.to(context.execution.device.value),
        seq_len=config.model.seq_len,
        image_tokens=vision.image_tokens if vision else 0,
        features=features,
        execution=context.execution,
        tick=meter.tick,
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
