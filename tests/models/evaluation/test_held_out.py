"""Indicators before fine-tuning: losses and the integration rate of a real model."""

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]  (it ships no types)
import pytest
import torch
from numpy.typing import NDArray

from models.architecture.build import build_model
from models.data.captions import open_captions
from models.data.images import open_images
from models.data.shapeworld.world import make
from models.data.shards import open_token_shards
from models.data.tokenizer import END_OF_TEXT, IMAGE
from models.data.validation import caption_batches, text_batches
from models.evaluation import held_out
from models.evaluation.evaluate import ANSWERS, QUESTIONS, evaluate
from models.evaluation.held_out import open_named_captions
from models.evaluation.shown import shown_images
from models.training.features import open_features
from models.training.validation import held_out_loss
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.execution import Execution
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import Images, SuiteConfig, SuiteKind
from orchestrator.store.asked import read_asked
from orchestrator.store.layout import RunFolder
from orchestrator.store.stage import Measure, StageResult, StoppedError
from orchestrator.store.world import World
from tests.models.evaluation.conftest import MODEL, SMALL_WORLD, VISION
from tests.models.evaluation.test_dealing import together
from tests.models.evaluation.test_modality_gap import weighed

ContextOf = Callable[..., Any]
HELD_OUT = DataSource(name="shapeworld/captions_val", version="captioned")
TEXT = DataSource(name="shapeworld/text_val", version="captioned")
LOSS, TEXT_LOSS, RATE = "caption_loss", "text_loss", "modality_integration_rate"


@pytest.fixture(scope="module")
def captioned(root: Path) -> Path:
    """Folder of a world with twenty held-out captions, beside the model."""
    folder = root / "shapeworld-captioned"
    make({**SMALL_WORLD, "val_images": 20, "val_sequences": 7}, folder, lambda _: None)
    return folder / "captions_val"


@pytest.fixture
def measured(context_of: ContextOf, captioned: Path) -> ContextOf:
    """Return the context of a measurement on the held-out captions."""
    assert captioned.is_dir()

    def measured(*benchmarks: str, **more: Any) -> Any:
        context = context_of()
        wanted = benchmarks or (LOSS, TEXT_LOSS, RATE)
        suite = SuiteConfig(
            name="before",
            kind=SuiteKind.HELD_OUT,
            data=HELD_OUT,
            benchmarks=wanted,
            text=TEXT if TEXT_LOSS in wanted else None,
            **more,
        )
        context.config = replace(context.config, suite=suite)
        return context

    return measured


def measure(result: StageResult, benchmark: str, metric: str) -> Measure:
    (found,) = (m for m in result.measures if (m.benchmark, m.metric) == (benchmark, metric))
    return found


def answers(context: Any) -> list[dict[str, Any]]:
    return pq.read_table(context.folder.artifacts / ANSWERS).to_pylist()


def test_the_loss_given_its_own_image_is_that_of_training(
    measured: ContextOf, captioned: Path
) -> None:
    context = measured(LOSS)
    found = measure(evaluate(context), LOSS, "nats_per_token")
    batches = caption_batches(captioned, seq_len=96, image_tokens=9, sequences=3)
    model = build_model(MODEL, VISION, seed=0).eval()
    features = open_features(context, HELD_OUT, VISION, None)
    expected = held_out_loss("val_caption_loss", model, batches, features, Execution())
    assert found.value == pytest.approx(expected.value, rel=1e-5)  # fp32, other batches
    assert found.n == expected.n
    rows = answers(context)
    assert found.value == pytest.approx(-sum(row["loglikelihood"] for row in rows) / (found.n or 0))


def test_the_loss_of_text_is_that_of_training(measured: ContextOf, captioned: Path) -> None:
    context = measured(TEXT_LOSS)
    found = measure(evaluate(context, batch_positions=200), TEXT_LOSS, "nats_per_token")
    folder = captioned.parent / "text_val"
    model = build_model(MODEL, VISION, seed=0).eval()
    batches = text_batches(folder, seq_len=96, sequences=3)
    expected = held_out_loss("val_text_loss", model, batches, None, Execution())
    assert found.value == pytest.approx(expected.value, rel=1e-5)  # fp32, other batches
    assert found.stderr == pytest.approx(expected.stderr, rel=1e-4)
    assert found.n == expected.n == 7 * 96
    rows = torch.from_numpy(np.array(open_token_shards(folder, 96, 512)).astype(np.int64))
    with torch.no_grad():
        nats = model(rows[:, :-1]).log_softmax(-1).gather(2, rows[:, 1:, None]).sum((1, 2))
    found_rows = answers(context)
    assert [row["question_id"] for row in found_rows] == [str(n) for n in range(7)]
    assert [row["loglikelihood"] for row in found_rows] == pytest.approx(nats.tolist(), rel=1e-5)


def test_a_captions_score_is_the_probability_of_its_mean_token(
    measured: ContextOf, captioned: Path
) -> None:
    context = measured(LOSS)
    result = evaluate(context)
    lengths = open_captions(captioned).lengths.tolist()
    scores = [
        math.exp(a["loglikelihood"] / n) for a, n in zip(answers(context), lengths, strict=True)
    ]
    assert [row["score"] for row in answers(context)] == pytest.approx(scores)
    mean = measure(result, LOSS, "token_probability")
    assert mean.value == pytest.approx(sum(scores) / 20)
    assert mean.stderr == pytest.approx(np.std(scores, ddof=1) / math.sqrt(20))


@pytest.mark.parametrize("seq_len", [96, 15])
@pytest.mark.parametrize("mode", list(Images))
def test_a_captions_likelihood_is_that_behind_the_image_that_is_shown(
    measured: ContextOf, captioned: Path, mode: Images, seq_len: int
) -> None:
    context = measured(LOSS, images=mode)
    shape = replace(MODEL, seq_len=seq_len)
    context.config = replace(context.config, model=shape, seed=3)
    result = evaluate(context)
    captions, names = open_named_captions(captioned, 512, seq_len, 9)
    shown = shown_images(names, mode, seed=3, benchmark=LOSS)
    number_of = dict(zip(names, captions.images.tolist(), strict=True))
    features = open_features(context, HELD_OUT, VISION, None)
    model = build_model(MODEL, VISION, seed=0).eval()
    cut = 0
    for name, number, row in zip(names, range(20), answers(context), strict=True):
        image = shown[name]
        before = [END_OF_TEXT] if image is None else [IMAGE] * 9
        whole = [*before, *captions.tokens(number).tolist()]
        ids = torch.tensor([whole[: seq_len + 1]])  # the last token is only a target
        seen = None if image is None else features(np.array([number_of[image]]))
        with torch.no_grad():
            logits = model(ids[:, :-1], features=seen)[0, len(before) - 1 :].log_softmax(-1)
        targets = ids[0, len(before) :]
        expected = float(logits[range(len(targets)), targets].sum())
        assert row["loglikelihood"] == pytest.approx(expected, rel=1e-4)  # fp32, other batches
        cut += len(whole) > seq_len + 1
    assert result.counts.get("truncated_captions", 0) == cut
    assert (cut > 0) == (seq_len == 15)


def test_other_images_and_none_change_the_loss(measured: ContextOf) -> None:
    losses = {
        mode: measure(evaluate(measured(LOSS, images=mode)), LOSS, "nats_per_token").value
        for mode in Images
    }
    assert len(set(losses.values())) == 3


def test_the_rate_is_that_of_each_caption_run_alone(measured: ContextOf, captioned: Path) -> None:
    context = measured(RATE)
    result = evaluate(context, batch_positions=64)  # batches of several lengths
    assert context.ticks > 3 * MODEL.depth
    model = build_model(MODEL, VISION, seed=0).eval()
    features = open_features(context, HELD_OUT, VISION, None)
    captions = open_captions(captioned)
    behind: list[torch.Tensor] = []
    for number in range(MODEL.depth):
        block = model.decoder.layers[number] if number + 1 < MODEL.depth else model.decoder.norm
        block.register_forward_hook(lambda _module, _inputs, state: behind.append(state[0]))
    vision: list[list[torch.Tensor]] = [[], []]
    text: list[list[torch.Tensor]] = [[], []]

    def distances(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the layers' distances where a caption's tokens count so often, (layers,)."""
        return np.array(
            [
                weighed(
                    torch.cat(v).double().numpy(),
                    torch.cat(t).double().numpy(),
                    (counts.repeat(9), counts.repeat(captions.lengths)),
                )
                for v, t in zip(vision, text, strict=True)
            ]
        )

    for number, image in enumerate(captions.images.tolist()):
        behind.clear()
        ids = torch.tensor([[IMAGE] * 9 + captions.tokens(number).tolist()])
        with torch.no_grad():
            model(ids, features=features(np.array([image])))
        for layer, state in enumerate(behind):
            vision[layer].append(state[:9])
            text[layer].append(state[9:])
    for layer, distance in enumerate(distances(np.ones(20)), start=1):
        found = measure(result, RATE, f"distance_layer_{layer}").value
        assert found == pytest.approx(distance, rel=1e-4)  # fp32, other batches
    rate = measure(result, RATE, "log10_distance")
    assert rate.value == pytest.approx(math.log10(sum(distances(np.ones(20)))), abs=1e-4)
    assert rate.n == 20
    steps = 1e-4 * np.eye(20)
    slopes = np.array([distances(1 + one) - distances(1 - one) for one in steps]) / 2e-4
    whole = slopes.sum(1) / distances(np.ones(20)).sum() / math.log(10)
    names = [f"distance_layer_{layer}" for layer in (1, 2)]
    for metric, own in zip(("log10_distance", *names), (whole, *slopes.T), strict=True):
        error = math.sqrt(20 / 19 * np.square(own).sum())
        assert measure(result, RATE, metric).stderr == pytest.approx(error, rel=1e-3)
    assert measure(result, RATE, "vision_tokens").value == 20 * 9
    assert measure(result, RATE, "text_tokens").value == captions.lengths.sum()


def test_the_captions_that_were_measured_are_listed(measured: ContextOf, captioned: Path) -> None:
    context = measured(limit=5)
    result = evaluate(context)
    assert result.counts["questions"] == 15
    loss, text, rate = read_asked(context.folder.artifacts / QUESTIONS).benchmarks
    assert loss.question_ids == rate.question_ids
    assert len(loss.question_ids) == len(text.question_ids) == 5
    assert set(text.question_ids) < {str(number) for number in range(7)}
    images = open_images(captioned)
    assert set(loss.question_ids) <= {images.key(number) for number in range(20)}
    assert not any(measure.benchmark == "average" for measure in result.measures)


def test_a_caption_that_does_not_fit_is_cut_and_counted(
    measured: ContextOf, captioned: Path
) -> None:
    context = measured(LOSS, RATE)
    context.config = replace(context.config, model=replace(MODEL, seq_len=15))
    result = evaluate(context)
    lengths = open_captions(captioned).lengths
    assert result.counts["truncated_captions"] == 2 * (lengths > 7).sum() > 0
    assert measure(result, RATE, "text_tokens").value == np.minimum(lengths, 7).sum()


def test_a_rate_is_measured_on_the_papers_number_of_captions_without_a_limit(
    measured: ContextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "INTEGRATION_CAPTIONS", 5)
    result = evaluate(measured(LOSS, RATE))
    assert measure(result, RATE, "log10_distance").n == 5
    assert result.counts["questions"] == 20 + 5
    assert measure(evaluate(measured(RATE, limit=7)), RATE, "log10_distance").n == 7


def test_a_stopped_measurement_goes_on_behind_what_was_finished(
    measured: ContextOf, tmp_path: Path
) -> None:
    first = measured()
    first.folder = RunFolder(tmp_path / "undisturbed")
    undisturbed = evaluate(first)
    context = measured()
    context.stops_after = 3  # in the layers of the last
    with pytest.raises(StoppedError):
        evaluate(context)
    assert not (context.folder.artifacts / ANSWERS).exists()
    context.stops_after = None
    context.ticks = 0
    assert evaluate(context) == undisturbed
    assert context.resumed_at == 2
    assert context.ticks == MODEL.depth  # of one batch


def test_several_processes_measure_what_one_does(measured: ContextOf, tmp_path: Path) -> None:
    def work(folder: Path) -> Callable[[World], object]:
        def measure_there(world: World) -> object:
            context = measured()
            context.world, context.folder = world, RunFolder(folder)
            result = evaluate(context, batch_positions=64)
            return result, context.reports

        return measure_there

    (alone,) = together(work(tmp_path / "1"), 1)
    assert isinstance(alone[0], StageResult)
    for size in (2, 3):
        assert together(work(tmp_path / str(size)), size) == [alone] * size
        for name in (ANSWERS, QUESTIONS):
            one, several = (tmp_path / n / "artifacts" / name for n in ("1", str(size)))
            assert several.read_bytes() == one.read_bytes()


def test_a_model_that_gives_no_numbers_has_no_rate(measured: ContextOf) -> None:
    from models.evaluation.evaluate import Asking, ask
    from models.evaluation.meter import Meter

    context = measured(RATE)
    model = build_model(MODEL, VISION, seed=0).eval()
    with torch.no_grad():
        model.decoder.tok_embeddings.weight.fill_(math.nan)
    (outcome,) = ask(
        Asking(context=context, config=context.config, meter=Meter(context), load=lambda: model)
    )
    assert outcome.headline.value is None
    assert "nan" in (outcome.headline.reason or "")
    assert {score.metric for score in outcome.others} == {"vision_tokens", "text_tokens"}


def test_a_model_of_text_alone_is_refused(measured: ContextOf) -> None:
    context = measured(LOSS)
    context.config = replace(context.config, vision=None)
    with pytest.raises(ConfigError) as caught:
        evaluate(context)
    assert caught.value.where == "suite.images"


def test_captions_of_images_with_one_key_are_told_apart(captioned: Path, tmp_path: Path) -> None:
    world = tmp_path / "world"
    shutil.copytree(captioned.parent, world)
    part = world / "captions_val"
    shutil.rmtree(part / "index")
    (shard,) = part.glob("*.tar")
    (part / f"zz_{shard.name}").write_bytes(
        shard.read_bytes() + bytes(512)
    )  # no copy, but for keys
    captions, names = open_named_captions(part, 512, 96, 9)
    assert len(captions) == len(set(names)) == 40
    assert {name.partition("#")[0] for name in names} == {
        open_images(part).key(number) for number in range(20)
    }


def test_an_image_that_leaves_no_room_is_refused_unless_it_is_not_shown(captioned: Path) -> None:
    with pytest.raises(ConfigError):
        open_named_captions(captioned, 512, 9, 9)
    captions, _ = open_named_captions(captioned, 512, 9, 0)
    assert len(captions) == 20


def test_a_single_caption_is_too_few(root: Path) -> None:
    with pytest.raises(DataError):
        open_named_captions(root / "shapeworld-world" / "captions_val", 512, 96, 9)
