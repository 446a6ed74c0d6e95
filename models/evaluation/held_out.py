"""Measure a model on held-out data: indicators of image-text pre-training before any fine-tuning.

A caption stands behind its image as in training: the image's positions, the caption, END_OF_TEXT.
`caption_loss` is the mean loss of the caption's tokens given the image that is shown, which for its
own image is the `val_caption_loss` of training; how much more another image or none costs is what
the model takes from the image. `modality_integration_rate` is `models.evaluation.modality_gap` of
the states at images' positions and of those behind them, END_OF_TEXT's among these. The paper shows
TextVQA's images with unrelated news, and finds that models are ranked alike on other data; values
on other data, or on other numbers of tokens, are not to be compared. `text_loss` is the loss of
sequences of text, the `val_text_loss` of training.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.batch import collate
from models.data.captions import Captions, open_captions
from models.data.images import open_images
from models.data.packing import check_room
from models.data.pretraining import text_row
from models.data.tokenizer import END_OF_TEXT, IMAGE
from models.evaluation.answers import Answer
from models.evaluation.dealing import dealt
from models.evaluation.jackknife import jackknife_error
from models.evaluation.kept import Kept, ask_in_turn
from models.evaluation.layer_states import Layers
from models.evaluation.likelihood import Continuation, loglikelihoods
from models.evaluation.meter import Meter
from models.evaluation.modality_gap import integration_error, integration_rate
from models.evaluation.outcome import Outcome
from models.evaluation.problem import Problem
from models.evaluation.respondent import Respondent
from models.evaluation.scores import Score, mean_score
from models.evaluation.shown import shown_images
from models.evaluation.subset import subset
from models.evaluation.vision import QUESTIONS_AT_ONCE
from models.ratio import ratio_of_sums
from models.training.validation import per_sequence
from orchestrator.errors import DataError
from orchestrator.spec.suite import INTEGRATION_CAPTIONS, HeldOutBenchmark, SuiteConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutExaminer:
    """Who measures: the model and the held-out data."""

    respondent: Respondent
    """The model."""
    captions: Captions
    """Tokens of the captions."""
    names: tuple[str, ...]
    """Of the captions, each once: their images' keys."""
    text: NDArray[np.integer[Any]] | None
    """Sequences of text, (n, T + 1); None if no loss of text is measured."""
    suite: SuiteConfig
    """What is measured, and which image is shown."""
    seed: int
    """Seeds the permutation of images."""
    meter: Meter
    """Told of each step."""


def open_named_captions(
    folder: Path, vocab_size: int, seq_len: int, image_tokens: int
) -> tuple[Captions, tuple[str, ...]]:
    """Open the captions of a part, with a name for each: its image's key.

    Where two images have one key, the image's number is added to it.

    Raises:
        ConfigError: if an image leaves no room for text.
        DataError: if the part is missing or damaged, or has fewer than two captions.
    """
    if image_tokens:
        check_room(seq_len, image_tokens)
    captions, images = open_captions(folder, vocab_size), open_images(folder)
    if len(captions) < 2:
        raise DataError(
            f"{len(captions)} captioned image is too few to measure on",
            str(folder),
            "give two or more",
        )
    keys = [images.key(number) for number in captions.images.tolist()]
    times = Counter(keys)
    return captions, tuple(
        key if times[key] == 1 else f"{key}#{number}"
        for key, number in zip(keys, captions.images.tolist(), strict=True)
    )


def run_held_out_suite(examiner: HeldOutExaminer, kept: Kept | None = None) -> list[Outcome]:
    """Measure all that a suite names, but what is kept already.

    Raises:
        DataError: if fewer than two captions are chosen.
    """
    wanted = [HeldOutBenchmark(name) for name in examiner.suite.benchmarks]
    chosen = [_chosen(examiner, one) for one in wanted]
    steps = [
        1
        if one is HeldOutBenchmark.MODALITY_INTEGRATION_RATE
        else len(range(0, len(numbers), QUESTIONS_AT_ONCE))
        for one, numbers in zip(wanted, chosen, strict=True)
    ]
    measures = {
        HeldOutBenchmark.CAPTION_LOSS: _caption_loss,
        HeldOutBenchmark.TEXT_LOSS: _text_loss,
        HeldOutBenchmark.MODALITY_INTEGRATION_RATE: _integration_rate,
    }

    def ask(number: int) -> Outcome:
        return measures[wanted[number]](examiner, chosen[number])

    return ask_in_turn(examiner.meter, steps, ask, kept)


def _chosen(examiner: HeldOutExaminer, benchmark: HeldOutBenchmark) -> list[int]:
    limit = examiner.suite.limit
    if limit is None and benchmark is HeldOutBenchmark.MODALITY_INTEGRATION_RATE:
        limit = INTEGRATION_CAPTIONS
    if benchmark is HeldOutBenchmark.TEXT_LOSS:
        return subset([str(number) for number in range(len(_sequences(examiner)))], limit)
    return subset(examiner.names, limit)


def _sequences(examiner: HeldOutExaminer) -> NDArray[np.integer[Any]]:
    assert examiner.text is not None, "a suite that measures text names one"
    return examiner.text


def _asked(
    examiner: HeldOutExaminer, benchmark: HeldOutBenchmark, chosen: Sequence[int]
) -> list[Continuation]:
    """Return captions behind the images that are shown with them; what is too long is cut off."""
    respondent, captions, names = examiner.respondent, examiner.captions, examiner.names
    shown = shown_images(names, examiner.suite.images, seed=examiner.seed, benchmark=benchmark)
    image_of = dict(zip(names, captions.images.tolist(), strict=True))
    found: list[Continuation] = []
    for number in chosen:
        image = shown[names[number]]
        # Without an image a document begins as text documents do in training.
        before = (END_OF_TEXT,) if image is None else (IMAGE,) * respondent.image_tokens
        room = respondent.seq_len + 1 - len(before)
        caption = tuple(captions.tokens(number)[:room].tolist())
        found.append(
            Continuation(
                (*before, *caption), len(before), None if image is None else image_of[image]
            )
        )
    return found


def _caption_loss(examiner: HeldOutExaminer, chosen: Sequence[int]) -> Outcome:
    benchmark = HeldOutBenchmark.CAPTION_LOSS
    asked = _asked(examiner, benchmark, chosen)
    nats: list[float] = []
    for start in range(0, len(asked), QUESTIONS_AT_ONCE):
        some = asked[start : start + QUESTIONS_AT_ONCE]
        nats += [one.nats for one in loglikelihoods(examiner.respondent, some)]
        examiner.meter.advance(len(some))
    tokens = [len(one.tokens) - one.start for one in asked]
    problems = [
        _problems(examiner, number, count) for number, count in zip(chosen, tokens, strict=True)
    ]
    names = [examiner.names[number] for number in chosen]
    return _loss(benchmark, names, nats, tokens, problems)


def _text_loss(examiner: HeldOutExaminer, chosen: Sequence[int]) -> Outcome:
    respondent, T = examiner.respondent, examiner.respondent.seq_len
    at_once = max(1, respondent.read_positions // T)
    nats: list[float] = []
    for start in range(0, len(chosen), QUESTIONS_AT_ONCE):
        some = chosen[start : start + QUESTIONS_AT_ONCE]
        groups = [some[i : i + at_once] for i in range(0, len(some), at_once)]
        found = dealt(respondent.ranks, groups, lambda group: _read(examiner, group))
        nats += [one for group in found for one in group]
        examiner.meter.advance(len(some))
    names = [str(number) for number in chosen]
    whole: list[tuple[Problem, ...]] = [()] * len(chosen)
    return _loss(HeldOutBenchmark.TEXT_LOSS, names, nats, [T] * len(chosen), whole)


def _read(examiner: HeldOutExaminer, numbers: Sequence[int]) -> list[float]:
    """Return the log-likelihood of each of these sequences of text."""
    respondent = examiner.respondent
    respondent.tick()
    rows = [text_row(_sequences(examiner)[number]) for number in numbers]
    batch = collate(rows, respondent.seq_len)
    losses, _ = per_sequence(respondent.model, batch, None, respondent.execution)
    return [-one for one in losses.tolist()]


def _loss(
    benchmark: HeldOutBenchmark,
    names: Sequence[str],
    nats: Sequence[float],
    tokens: Sequence[int],
    problems: Sequence[tuple[Problem, ...]],
) -> Outcome:
    """Return the mean loss of tokens, and each sample's share in it.

    Args:
        benchmark: what was measured.
        names: of the samples.
        nats: the log-likelihood of each.
        tokens: of each, those that are scored.
        problems: of each.
    """
    loss, stderr = ratio_of_sums([-one for one in nats], tokens)
    answers = tuple(
        Answer(
            benchmark=benchmark,
            question_id=name,
            prediction=None,
            score=math.exp(one / count),
            baseline=None,
            loglikelihood=one,
            problems=found,
        )
        for name, one, count, found in zip(names, nats, tokens, problems, strict=True)
    )
    return Outcome(
        benchmark=benchmark,
        headline=Score(metric="nats_per_token", value=loss, n=sum(tokens), stderr=stderr),
        others=(mean_score("token_probability", [answer.score or 0.0 for answer in answers]),),
        answers=answers,
    )


def _problems(examiner: HeldOutExaminer, number: int, count: int) -> tuple[Problem, ...]:
    is_cut = count < len(examiner.captions.tokens(number))
    return (Problem.TRUNCATED_CAPTION,) if is_cut else ()


def _integration_rate(examiner: HeldOutExaminer, chosen: Sequence[int]) -> Outcome:
    """Measure layer by layer: each process runs the model, and measures some of its layers."""
    benchmark, respondent = HeldOutBenchmark.MODALITY_INTEGRATION_RATE, examiner.respondent
    asked = _asked(examiner, benchmark, chosen)
    layers = Layers(respondent, asked)
    depth = len(respondent.model.decoder.layers)
    with respondent.answering():
        terms = dealt(respondent.ranks, range(1, depth + 1), layers.term)
    examiner.meter.advance(len(asked))
    n, rate = len(asked), integration_rate(terms)
    distances = [term.distance for term in terms]
    reason = None if rate is not None else f"the distances of the layers are {distances}"
    text = sum(len(one.tokens) - one.start for one in asked)
    return Outcome(
        benchmark=benchmark,
        headline=Score(
            metric="log10_distance",
            value=rate,
            n=n,
            stderr=integration_error(terms),
            reason=reason,
        ),
        others=(
            *(
                Score(
                    metric=f"distance_layer_{layer}",
                    value=term.distance,
                    n=n,
                    stderr=jackknife_error(term.slopes),
                )
                for layer, term in enumerate(terms, start=1)
                if rate is not None
            ),
            Score(metric="vision_tokens", value=float(n * respondent.image_tokens), n=n),
            Score(metric="text_tokens", value=float(text), n=n),
        ),
        answers=tuple(
            Answer(
                benchmark=benchmark,
                question_id=examiner.names[number],
                prediction=None,
                score=None,
                baseline=None,
                loglikelihood=None,
                problems=_problems(examiner, number, len(one.tokens) - one.start),
            )
            for number, one in zip(chosen, asked, strict=True)
        ),
    )
