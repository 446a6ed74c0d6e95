"""A tiny made world and models of random weights, to evaluate on."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from models.architecture.build import build_model
from models.data.shapeworld.config import RELEASE
from models.data.shapeworld.world import make
from models.data.tokenizer import load_tokenizer
from models.evaluation.respondent import Respondent
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from orchestrator.spec.execution import Execution
from orchestrator.spec.model import Encoder, ModelConfig, Norm, VisionConfig
from orchestrator.spec.run import Evaluate, RunConfig
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import Images, SuiteConfig, SuiteKind
from orchestrator.store.layout import RunFolder
from orchestrator.store.stage import Progress
from orchestrator.store.world import World

VISION = VisionConfig(encoder=Encoder.PATCH, image_size=36, patch_size=12, feature_width=432)
VISION_BENCHMARKS = (
    "shapeworld_vqa",
    "shapeworld_pope",
    "shapeworld_refcoco",
    "shapeworld_count",
)
MODEL = ModelConfig(
    width=16,
    depth=2,
    heads=2,
    vocab_size=512,
    seq_len=96,
    norm=Norm.RMS,
    qk_norm=True,
    ffn_multiple=16,
)
SMALL_WORLD = {
    "release": RELEASE,
    "seed": 0,
    "seq_len": 96,
    "train_images": 1,
    "val_images": 1,
    "scene_images": 1,
    "instruction_images": 1,
    "test_images": 12,
    "text_sequences": 20,
    "val_sequences": 1,
    "entities": 16,
    "questions": 24,
    "image_size": 36,
}


@dataclass
class Context:
    """A stage's context on local folders, which remembers what it was told."""

    config: RunConfig
    folder: RunFolder
    root: Path
    execution: Execution = field(default_factory=Execution)
    world: World = World()  # noqa: RUF009  (frozen)
    reports: list[Progress] = field(default_factory=list)
    resumed_at: int = 0
    stops_after: int | None = None
    """Questions of whether to stop that are answered no."""
    ticks: int = 0
    """Questions of whether to stop: one before each batch."""

    def parent(self, run_id: str) -> RunFolder:
        return RunFolder(self.root / "runs" / run_id)

    def previous(self) -> RunFolder | None:
        return None

    def data(self, source: DataSource) -> Path:
        return self.root / f"{source.collection}-{source.version}" / source.part

    def resumed(self, step: int) -> None:
        self.resumed_at = step

    def report(self, progress: Progress) -> None:
        self.reports.append(progress)

    def holding(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stop_requested(self) -> bool:
        self.ticks += 1
        if self.stops_after is None:
            return False
        self.stops_after -= 1
        return self.stops_after < 0


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the world `world` and a finished run `model`."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("evaluation root")
    make(SMALL_WORLD, root / "shapeworld-world", lambda _: None)
    model = build_model(MODEL, VISION, seed=0)
    weights = Checkpoint(
        step=1, position=1, counters={}, weights=model.state_dict(), optimizer=None
    )
    checkpoint.save(RunFolder(root / "runs" / "model").checkpoints, weights, keep=1)
    return root


@pytest.fixture(scope="session")
def tokenizer(root: Path) -> Tokenizer:
    return load_tokenizer(root / "shapeworld-world")


@pytest.fixture
def respondent() -> Respondent:
    """A model whose images have random features."""
    features = torch.randn(12, 9, 432, generator=torch.Generator().manual_seed(0))
    return Respondent(
        model=build_model(MODEL, VISION, seed=0).eval(),
        seq_len=MODEL.seq_len,
        image_tokens=VISION.image_tokens,
        features=lambda indices: features[torch.from_numpy(indices)],
    )


ContextOf = Callable[..., Context]


@pytest.fixture
def context_of(root: Path, tmp_path: Path) -> ContextOf:
    """Return the context of an evaluation of the model in `root`."""

    def context_of(
        kind: SuiteKind = SuiteKind.VISION,
        benchmarks: tuple[str, ...] = VISION_BENCHMARKS,
        images: Images = Images.GIVEN,
        limit: int | None = None,
        vision: VisionConfig | None = VISION,
    ) -> Context:
        source = DataSource(name="shapeworld/benchmarks", version="world")
        suite = SuiteConfig(
            name="suite", kind=kind, data=source, benchmarks=benchmarks, images=images, limit=limit
        )
        config = Evaluate(
            model=MODEL, vision=vision, suite=suite, parent="model", tower=None, seed=0
        )
        return Context(config, RunFolder(tmp_path / "run"), root)

    return context_of
