"""Ask a suite of captioned images: indicators of image-text pre-training before any fine-tuning.

A caption stands behind its image as in training: the image's positions, the caption, END_OF_TEXT.
`caption_loss` is the mean loss of the caption's tokens given the image that is shown, which for its
own image is the `val_caption_loss` of training; how much more another image or none costs is what
the model takes from the image. `modality_integration_rate` is `models.evaluation.modality_gap` of
the states at images' positions and of those behind them, END_OF_TEXT's among these. The paper shows
TextVQA's images with unrelated news, and finds that models are ranked alike on other data; values
on other data, or on other numbers of tokens, are not to be compared.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.data.captions import Captions, open_captions
from models.data.images import open_images
from models.data.packing import check_room
from models.data.tokenizer import END_OF_TEXT, IMAGE
from models.evaluation.answers import Answer
from models.evaluation.dealing import dealt
from models.evaluation.kept import Kept, ask_in_turn
from models.evaluation.likelihood import Continuation, batches, loglikelihoods
from models.evaluation.meter import Meter
from models.evaluation.modality_gap import integration_rate, layer_distance
from models.evaluation.outcome import Outcome
from models.evaluation.problem import Problem
from models.evaluation.respondent import Respondent
from models.evaluation.scores import Score, mean_score
from models.evaluation.shown import shown_images
from models.evaluation.subset import subset
from models.evaluation.vision import QUESTIONS_AT_ONCE
from models.ratio import ratio_of_sums
from orchestrator.errors import DataError
from orchestrator.spec.suite import INTEGRATION_CAPTIONS, CaptionBenchmark, SuiteConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionExaminer:
    """Who measures: the model and the captioned images."""

    respondent: Respondent
    """The model."""
    captions: Captions
    """Tokens of the captions."""
    names: tuple[str, ...]
    """Of the captions, each once: their images' keys."""
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


def run_caption_suite(examiner: CaptionExaminer, kept: Kept | None = None) -> list[Outcome]:
    """Measure all that a suite names, but what is kept already.

    Raises:
        DataError: if fewer than two captions are chosen.
    """
    wanted = [CaptionBenchmark(name) for name in examiner.suite.benchmarks]
    chosen = [_chosen(examiner, one) for one in wanted]
    steps = [
        len(range(0, len(numbers), QUESTIONS_AT_ONCE))
        if one is CaptionBenchmark.CAPTION_LOSS
        else 1
        for one, numbers in zip(wanted, chosen, strict=True)
    ]
    measures = {
        CaptionBenchmark.CAPTION_LOSS: _caption_loss,
        CaptionBenchmark.MODALITY_INTEGRATION_RATE: _integration_rate,
    }

    def ask(number: int) -> Outcome:
        return measures[wanted[number]](examiner, chosen[number])

    return ask_in_turn(examiner.meter, steps, ask, kept)


def _chosen(examiner: CaptionExaminer, benchmark: CaptionBenchmark) -> list[int]:
    limit = examiner.suite.limit
    if limit is None and benchmark is CaptionBenchmark.MODALITY_INTEGRATION_RATE:
        limit = INTEGRATION_CAPTIONS
    return subset(examiner.names, limit)


def _asked(
    examiner: CaptionExaminer, benchmark: CaptionBenchmark, chosen: Sequence[int]
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


def _caption_loss(examiner: CaptionExaminer, chosen: Sequence[int]) -> Outcome:
    benchmark = CaptionBenchmark.CAPTION_LOSS
    asked = _asked(examiner, benchmark, chosen)
    nats: list[float] = []
    for start in range(0, len(asked), QUESTIONS_AT_ONCE):
        some = asked[start : start + QUESTIONS_AT_ONCE]
        nats += [one.nats for one in loglikelihoods(examiner.respondent, some)]
        examiner.meter.advance(len(some))
    tokens = [len(one.tokens) - one.start for one in asked]
    loss, stderr = ratio_of_sums([-one for one in nats], tokens)
    answers = [
        Answer(
            benchmark=benchmark,
            question_id=examiner.names[number],
            prediction=None,
            score=math.exp(one / count),
            baseline=None,
            loglikelihood=one,
            problems=_problems(examiner, number, count),
        )
        for number, one, count in zip(chosen, nats, tokens, strict=True)
    ]
    return Outcome(
        benchmark=benchmark,
        headline=Score(metric="nats_per_token", value=loss, n=sum(tokens), stderr=stderr),
        others=(mean_score("token_probability", [answer.score or 0.0 for answer in answers]),),
        answers=tuple(answers),
    )


def _problems(examiner: CaptionExaminer, number: int, count: int) -> tuple[Problem, ...]:
    is_cut = count < len(examiner.captions.tokens(number))
    return (Problem.TRUNCATED_CAPTION,) if is_cut else ()


def _integration_rate(examiner: CaptionExaminer, chosen: Sequence[int]) -> Outcome:
    """Measure layer by layer: each process runs the model, and measures some of its layers."""
    benchmark, respondent = CaptionBenchmark.MODALITY_INTEGRATION_RATE, examiner.respondent
    asked = _asked(examiner, benchmark, chosen)
    layers = _Layers(respondent, asked)
    depth = len(respondent.model.decoder.layers)
    with respondent.answering():
        distances = dealt(respondent.ranks, range(1, depth + 1), layers.distance)
    examiner.meter.advance(len(asked))
    n, rate = len(asked), integration_rate(distances)
    reason = None if rate is not None else f"the distances of the layers are {distances}"
    text = sum(len(one.tokens) - one.start for one in asked)
    return Outcome(
        benchmark=benchmark,
        headline=Score(metric="log10_distance", value=rate, n=n, reason=reason),
        others=(
            *(
                Score(metric=f"distance_layer_{layer}", value=distance, n=n)
                for layer, distance in enumerate(distances, start=1)
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


class _Layers:
    """The states of all tokens behind one layer, which move up as higher layers are asked for.

    No more than one layer is in memory, and each block is run once.
    """

    def __init__(self, respondent: Respondent, asked: Sequence[Continuation]) -> None:
        self._respondent = respondent
        self._layer = 0
        lengths = [len(one.tokens) for one in asked]
        self._groups = [
            _Group(respondent, [asked[i] for i in group])
            for group in batches(lengths, respondent.read_positions)
        ]

    def distance(self, layer: int) -> float:
        """Return the distance of vision and text tokens behind a layer, from 1, each but once.

        Layers are asked for in ascending order.
        """
        while self._layer < layer:
            self._layer += 1
            for group in self._groups:
                self._respondent.tick()
                group.rise()
        vision, text = (
            torch.cat([getattr(group, kind) for group in self._groups])
            for kind in ("vision", "text")
        )
        return layer_distance(vision, text)


class _Group:
    """One batch of captioned images on its way through the model."""

    def __init__(self, respondent: Respondent, asked: Sequence[Continuation]) -> None:
        batch = respondent.batch([(one.tokens, one.image) for one in asked])
        assert batch.features is not None, "a suite that compares with vision tokens shows images"
        ends = torch.tensor([len(one.tokens) for one in asked], device=batch.ids.device)  # (B,)
        places = torch.arange(batch.ids.shape[1], device=batch.ids.device)  # (T,)
        self._is_vision = batch.ids == IMAGE  # (B, T)
        self._is_text = (places < ends[:, None]) & ~self._is_vision  # (B, T)
        self._states = respondent.model.states(batch.ids, batch.features)
        self._now: Tensor | None = None  # (B, T, D)

    def rise(self) -> None:
        """Run the next block."""
        self._now = next(self._states)

    @property
    def vision(self) -> Tensor:
        """States at the positions of images, (n, D)."""
        assert self._now is not None
        return self._now[self._is_vision]

    @property
    def text(self) -> Tensor:
        """States at the positions of captions, (n, D)."""
        assert self._now is not None
        return self._now[self._is_text]
