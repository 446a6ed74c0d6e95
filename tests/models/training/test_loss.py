"""The loss is a mean over supervised targets, however a batch is cut."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.architecture.build import build_model
from models.architecture.vlm import VisionLanguageModel
from models.data.batch import IGNORE, Batch
from models.data.tokenizer import IMAGE, PADDING
from models.training import loss
from models.training.inputs import prepare, split
from models.training.loss import NextToken
from orchestrator.errors import DataError
from orchestrator.spec.execution import Execution
from orchestrator.spec.model import Encoder, ModelConfig, Norm, VisionConfig

MODEL = ModelConfig(
    width=32, depth=2, heads=2, vocab_size=50, seq_len=8, norm=Norm.GAIN_ONLY, qk_norm=True
)
VISION = VisionConfig(encoder=Encoder.CNN, image_size=4, patch_size=2, feature_width=8)
P = VISION.image_tokens
X = IGNORE

# Text; a captioned image; two captioned images; padded text. Unequal numbers of targets.
BATCH = Batch(
    ids=np.array(
        [
            [5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
            [IMAGE, IMAGE, IMAGE, IMAGE, 20, 21, PADDING, PADDING, PADDING, PADDING],
            [IMAGE, IMAGE, IMAGE, IMAGE, 30, IMAGE, IMAGE, IMAGE, IMAGE, 31],
            [40, 41, 42, PADDING, PADDING, PADDING, PADDING, PADDING, PADDING, PADDING],
        ]
    ),
    targets=np.array(
        [
            [6, 7, 8, 9, 10, 11, 12, 13, 14, 0],
            [X, X, X, 20, 21, 0, X, X, X, X],
            [X, X, X, 30, 0, X, X, X, 31, 0],
            [X, X, 0, X, X, X, X, X, X, X],
        ]
    ),
    documents=np.array(
        [[0] * 10, [0] * 6 + [-1] * 4, [0] * 5 + [1] * 5, [0] * 3 + [-1] * 7], dtype=np.int32
    ),
    images=np.array([7, 3, 7]),
)


def features(indices: NDArray[np.int64]) -> Tensor:
    drawn = torch.randn(10, P, 8, generator=torch.Generator().manual_seed(0))
    return drawn[torch.from_numpy(indices)]


@pytest.fixture
def model() -> VisionLanguageModel:
    return build_model(MODEL, VISION, seed=0)


def gradients(
    model: VisionLanguageModel, accumulation: int, z_loss: float = 0.0
) -> tuple[float, dict[str, Tensor]]:
    parts = NextToken(
        model=model,
        batches=lambda _: BATCH,
        features=features,
        execution=Execution(accumulation=accumulation),
        z_loss=z_loss,
    )
    model.zero_grad()
    loss = 0.0
    for part in parts(0):
        part.objective.backward()
        loss += part.loss.item()
    return loss, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def by_hand(model: VisionLanguageModel) -> Tensor:
    """Each document in a forward pass of its own; logits (N, V) of all supervised targets."""
    logits: list[Tensor] = []
    image = 0
    for ids, targets, documents in zip(BATCH.ids, BATCH.targets, BATCH.documents, strict=True):
        for document in range(documents.max() + 1):
            own = documents == document
            shown = int((ids[own] == IMAGE).any())
            seen = features(BATCH.images[image : image + shown]) if shown else None
            image += shown
            scores = model(torch.from_numpy(ids[own])[None], seen)[0]
            logits.append(scores[torch.from_numpy(targets[own] != X)])
    return torch.cat(logits)


def test_the_loss_is_the_mean_over_supervised_targets(model: VisionLanguageModel) -> None:
    targets = torch.from_numpy(BATCH.targets[BATCH.targets != X])
    expected = F.cross_entropy(by_hand(model), targets).item()
    assert gradients(model, 1)[0] == pytest.approx(expected, abs=1e-5)


def test_the_z_loss_is_a_mean_over_the_same_targets(model: VisionLanguageModel) -> None:
    targets = torch.from_numpy(BATCH.targets[BATCH.targets != X])
    logits = by_hand(model)
    expected = F.cross_entropy(logits, targets) + 0.1 * logits.logsumexp(-1).square().mean()
    model.zero_grad()
    expected.backward()
    wanted = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    loss, found = gradients(model, 1, z_loss=0.1)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert loss < expected.item()  # what is reported is the loss alone


@pytest.mark.parametrize("accumulation", [2, 3, 4, 9])
def test_micro_batches_give_the_gradient_of_the_whole_batch(
    model: VisionLanguageModel, accumulation: int
) -> None:
    whole_loss, whole = gradients(model, 1)
    whole = {name: gradient.clone() for name, gradient in whole.items()}
    loss, found = gradients(model, accumulation)
    assert loss == pytest.approx(whole_loss, abs=1e-5)
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-4)  # sums in another order, fp32


def test_a_split_batch_keeps_each_row_s_images() -> None:
    assert [piece.images.tolist() for piece in split(BATCH, 4)] == [[], [7], [3, 7], []]
    assert [piece.images.tolist() for piece in split(BATCH, 2)] == [[7], [3, 7]]


def only(rows: list[int]) -> Batch:
    return Batch(
        BATCH.ids[rows], BATCH.targets[rows], BATCH.documents[rows], np.empty(0, dtype=np.int64)
    )


@pytest.mark.parametrize(("rows", "masked"), [([0], False), ([0, 3], False), ([0, 2], True)])
def test_a_mask_is_made_only_for_several_documents_in_a_row(rows: list[int], masked: bool) -> None:
    inputs = prepare(only(rows), None)
    assert (inputs.documents is not None) == masked


def test_positions_are_chosen_only_where_some_carry_no_loss() -> None:
    assert prepare(only([0]), None).chosen is None
    chosen = prepare(only([3]), None).chosen
    assert chosen is not None
    assert chosen.tolist() == [2]


def test_batches_made_ahead_are_those_made_in_turn(model: VisionLanguageModel) -> None:
    orders = [[0, 1, 2, 3], [3, 0], [0, 3], [0]]
    batches = {10 * i: BATCH if i == 0 else only(rows) for i, rows in enumerate(orders)}
    asked: list[int] = []

    def batch(position: int) -> Batch:
        asked.append(position)
        return batches[position]

    def losses(stride: int | None) -> list[float]:
        parts = NextToken(
            model=model,
            batches=batch,
            features=features,
            execution=Execution(accumulation=2),
            z_loss=0.0,
            stride=stride,
        )
        return [part.objective.item() for position in batches for part in parts(position)]

    in_turn = losses(None)
    asked.clear()
    assert losses(10) == in_turn
    assert asked[:4] == [0, 10, 20, 30]


def test_images_without_features_are_refused() -> None:
    with pytest.raises(DataError):
        prepare(BATCH, None)


def test_counts_are_those_of_the_batch(model: VisionLanguageModel) -> None:
    parts = NextToken(
        model=model,
        batches=lambda _: BATCH,
        features=features,
        execution=Execution(accumulation=2),
        z_loss=0.0,
    )
    counts = [part.counts for part in parts(0)]
    assert [count["supervised_tokens"] for count in counts] == [13, 5]
    assert [count["filled_tokens"] for count in counts] == [16, 13]
    assert [count["images"] for count in counts] == [1, 2]


@pytest.mark.parametrize("accumulation", [1, 2, 3])
def test_the_loss_is_told_apart_by_kind_of_sequence(
    model: VisionLanguageModel, accumulation: int
) -> None:
    step = NextToken(
        model=model,
        batches=lambda _: BATCH,
        features=features,
        execution=Execution(accumulation=accumulation),
        z_loss=0.0,
    )
    nats, targets, loss = {"text": 0.0, "image_text": 0.0}, {"text": 0, "image_text": 0}, 0.0
    for part in step(0):
        loss += part.loss.item()
        for name, kind in part.kinds.items():
            nats[name] += kind.nats.item()
            targets[name] += kind.targets
    assert targets == {"text": 11, "image_text": 7}
    assert sum(nats.values()) / 18 == pytest.approx(loss, rel=1e-6)
    for name, rows in (("text", [0, 3]), ("image_text", [1, 2])):
        batch = only(rows) if name == "text" else replace(only(rows), images=BATCH.images)
        inputs = prepare(batch, features)
        logits = model(
            inputs.ids, features=inputs.features, documents=inputs.documents, chosen=inputs.chosen
        )
        alone = F.cross_entropy(logits.flatten(0, -2), inputs.targets, reduction="sum")
        assert nats[name] == pytest.approx(alone.item(), rel=1e-5)


def test_a_model_that_sees_no_images_has_one_kind(model: VisionLanguageModel) -> None:
    text = NextToken(
        model=model,
        batches=lambda _: only([0]),
        features=None,
        execution=Execution(),
        z_loss=0.0,
    )
    assert [part.kinds for part in text(0)] == [{}]


@pytest.mark.filterwarnings("default")  # compiling warns, each version of its own
def test_a_compiled_loss_is_the_same_loss(
    model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    fused_terms = loss.fused_terms

    def noted(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        taken.append(len(targets))
        return fused_terms(scores, targets)

    monkeypatch.setattr(loss, "fused_terms", noted)
    found: list[tuple[Tensor, list[Tensor | None]]] = []
    for compiled in (False, True):
        model.zero_grad()
        parts = NextToken(
            model=model,
            batches=lambda _: BATCH,
            features=features,
            execution=Execution(compile=compiled),
            z_loss=1e-2,
        )
        (only,) = parts(0)
        only.objective.backward()
        gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
        found.append((only.objective.detach(), gradients))
    assert taken == [BATCH.supervised]
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-6)  # fp32, another order
