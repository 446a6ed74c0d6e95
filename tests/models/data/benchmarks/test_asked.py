"""A model is asked every way of every data set that was prepared, and all of it is scored."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models.architecture.build import build_model
from models.data.benchmarks import prepare, published
from models.data.images import open_images
from models.data.shapeworld.vocabulary import build_tokenizer
from models.evaluation.index_file import load_benchmarks
from models.evaluation.meter import Meter
from models.evaluation.respondent import Respondent
from models.evaluation.vision import Examiner, run_vision_suite
from orchestrator.spec.model import Encoder, ModelConfig, Norm, VisionConfig
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import SuiteConfig, SuiteKind

Write = Callable[[str, Path], Path]

VISION = VisionConfig(encoder=Encoder.PATCH, image_size=36, patch_size=12, feature_width=432)
MODEL = ModelConfig(
    width=16,
    depth=2,
    heads=2,
    vocab_size=512,
    seq_len=256,
    norm=Norm.RMS,
    qk_norm=True,
    ffn_multiple=16,
)


class NoStage:
    """A stage's context that is never stopped."""

    def report(self, _: object) -> None:
        """Nobody listens."""

    def stop_requested(self) -> bool:
        return False


def respondent(images: int) -> Respondent:
    features = torch.randn(images, 9, 432, generator=torch.Generator().manual_seed(0))
    return Respondent(
        model=build_model(MODEL, VISION, seed=0).eval(),
        seq_len=MODEL.seq_len,
        image_tokens=VISION.image_tokens,
        features=lambda indices: features[torch.from_numpy(indices)],
    )


@pytest.mark.parametrize("data_set", published(), ids=lambda one: one["name"])
def test_every_benchmark_of_a_prepared_data_set_is_asked_and_scored(
    data_set: dict[str, object], write: Write, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    name, part = str(data_set["name"]), tmp_path / "part"
    made = prepare(name, write(name, tmp_path / "files"), part, {"partial": True}, lambda _: None)
    names = made["benchmarks"]
    assert isinstance(names, list)
    images = open_images(part)
    suite = SuiteConfig(
        name="suite",
        kind=SuiteKind.VISION,
        data=DataSource(name="benchmarks/vision", version="1"),
        benchmarks=tuple(map(str, names)),
    )
    examiner = Examiner(
        respondent=respondent(len(images)),
        tokenizer=build_tokenizer(),
        images=images,
        suite=suite,
        seed=0,
        meter=Meter(NoStage()),  # pyright: ignore[reportArgumentType]  (two methods are called)
    )
    outcomes = run_vision_suite(examiner, load_benchmarks(part, suite.benchmarks))
    assert [outcome.benchmark for outcome in outcomes] == names
    for outcome in outcomes:
        assert outcome.headline.n == made["questions"]
        assert outcome.headline.value is not None
        assert 0 <= outcome.headline.value <= 1
        assert all(answer.prediction is not None for answer in outcome.answers)
