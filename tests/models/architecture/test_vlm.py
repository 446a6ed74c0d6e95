"""Images stand where their placeholders stand, and nowhere else."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.architecture.attention import Layout
from models.architecture.build import build_model
from models.architecture.projector import build_projector
from models.architecture.tower import patches, place_code, prime_factors, unpatch
from models.architecture.vlm import VisionLanguageModel
from models.data.tokenizer import IMAGE
from orchestrator.spec.model import Encoder, ModelConfig, Norm, Projector, VisionConfig

MODEL = ModelConfig(
    width=32, depth=2, heads=2, vocab_size=50, seq_len=16, norm=Norm.GAIN_ONLY, qk_norm=True
)
FROZEN = VisionConfig(encoder=Encoder.CNN, image_size=8, patch_size=4, feature_width=8)
TRAINED = VisionConfig(
    encoder=Encoder.CNN, image_size=8, patch_size=4, feature_width=8, frozen=False
)
IDS = torch.tensor([[5, IMAGE, IMAGE, IMAGE, IMAGE, 7], [IMAGE, IMAGE, IMAGE, IMAGE, 8, 9]])


@pytest.fixture
def model() -> VisionLanguageModel:
    return build_model(MODEL, FROZEN, seed=0).eval()


def features() -> Tensor:
    return torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_projected_features_take_the_places_of_the_placeholders(model: VisionLanguageModel) -> None:
    assert model.projector is not None
    embedded = model.decoder.embed(IDS.clamp(min=0))
    projected = model.projector(features())
    for patch in range(4):
        embedded[0, 1 + patch] = projected[0, patch]
        embedded[1, patch] = projected[1, patch]
    expected = model.decoder.logits(model.decoder(embedded))
    torch.testing.assert_close(model(IDS, features()), expected)


@torch.no_grad()
def test_each_row_sees_its_own_image(model: VisionLanguageModel) -> None:
    changed = features()
    changed[1] += 1
    before, after = model(IDS, features()), model(IDS, changed)
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])


@torch.no_grad()
def test_chosen_positions_are_scored_as_all_are(model: VisionLanguageModel) -> None:
    chosen = torch.tensor([0, 4, 10, 11])
    everywhere = model(IDS, features()).flatten(0, 1)
    torch.testing.assert_close(model(IDS, features(), chosen=chosen), everywhere[chosen])


@torch.no_grad()
@pytest.mark.parametrize("chosen", [[2], [0, 4, 10], [5, 6], [1, 2, 3, 4, 7], list(range(12))])
def test_answers_are_what_is_scored_everywhere(
    model: VisionLanguageModel, chosen: list[int]
) -> None:
    everywhere = model(IDS, features()).flatten(0, 1)
    found = model.answers(IDS, features(), torch.tensor(chosen))
    torch.testing.assert_close(found, everywhere[chosen])


@torch.no_grad()
def test_answers_behind_a_cache_leave_it_as_a_whole_pass_does(model: VisionLanguageModel) -> None:
    ids, more = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]]), torch.tensor([[3, 4, 5, 6]] * 2)
    last = torch.tensor([3, 7])
    whole, cache = model.new_cache(), model.new_cache()
    model(ids, cache=whole)
    model.answers(ids, None, last, cache)
    expected = model(more, cache=whole).flatten(0, 1)[last]
    torch.testing.assert_close(model.answers(more, None, last, cache), expected)
    one = torch.tensor([[7], [8]])
    expected = model(one, cache=whole).flatten(0, 1)
    torch.testing.assert_close(model.answers(one, None, torch.tensor([0, 1]), cache), expected)


@torch.no_grad()
def test_answers_follow_a_layout(model: VisionLanguageModel) -> None:
    # Two sequences that begin alike, (5, 6, 7) and (5, 6, 8, 9), in one row; the other is padded.
    ids = torch.tensor([[5, 6, 7, 8, 9], [3, 4, 1, 1, 1]])
    places = torch.tensor([[0, 1, 2, 2, 3], [0, 1, 0, 0, 0]])
    mask = torch.eye(5, dtype=torch.bool).repeat(2, 1, 1, 1)
    mask[0, 0, :, :2] = torch.tensor([[1, 0], [1, 1], [1, 1], [1, 1], [1, 1]], dtype=torch.bool)
    mask[0, 0, 4, 3] = True
    mask[1, 0, 1, 0] = True
    layout = Layout(places, mask)
    chosen = torch.tensor([2, 4, 6])
    expected = torch.stack(
        [
            model(torch.tensor([[5, 6, 7]]))[0, -1],
            model(torch.tensor([[5, 6, 8, 9]]))[0, -1],
            model(torch.tensor([[3, 4]]))[0, -1],
        ]
    )
    torch.testing.assert_close(model.answers(ids, None, chosen, layout=layout), expected)


@torch.no_grad()
def test_states_are_those_of_each_block_and_the_last_norm(model: VisionLanguageModel) -> None:
    behind: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, state: Tensor) -> None:
        behind.append(state)

    for module in (*model.decoder.layers[:-1], model.decoder.norm):
        module.register_forward_hook(keep)
    model(IDS, features())
    expected = list(behind)
    states = list(model.states(IDS, features()))
    assert len(states) == len(expected) == MODEL.depth
    for state, one in zip(states, expected, strict=True):
        assert torch.equal(state, one)


def test_text_alone_leaves_the_projector_without_a_gradient(model: VisionLanguageModel) -> None:
    model(torch.tensor([[5, 6, 7]])).sum().backward()
    assert model.projector is not None
    assert all(parameter.grad is None for parameter in model.projector.parameters())


def test_a_trained_tower_gets_a_gradient_and_a_frozen_one_is_not_there() -> None:
    assert build_model(MODEL, FROZEN, seed=0).tower is None
    model = build_model(MODEL, TRAINED, seed=0)
    assert model.tower is not None
    model(IDS, torch.randn(2, 4, 3 * 4 * 4)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.tower.parameters())


def test_one_seed_gives_one_decoder_with_vision_or_without() -> None:
    plain = build_model(MODEL, None, seed=3).decoder.state_dict()
    seeing = build_model(MODEL, TRAINED, seed=3).decoder.state_dict()
    assert all(torch.equal(plain[name], seeing[name]) for name in plain)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        (Projector.LINEAR, {"0.weight": (32, 8), "0.bias": (32,)}),
        (
            Projector.MLP,
            {"0.weight": (32, 8), "0.bias": (32,), "2.weight": (32, 32), "2.bias": (32,)},
        ),
        (
            Projector.FUSED_MLP,
            {
                "0.weight": (32, 8),
                "0.bias": (32,),
                "2.weight": (32, 32),
                "2.bias": (32,),
                "4.weight": (32, 32),
                "4.bias": (32,),
            },
        ),
    ],
)
def test_a_projector_has_prismatic_s_tensors(
    kind: Projector, sizes: dict[str, tuple[int, ...]]
) -> None:
    vision = VisionConfig(
        encoder=Encoder.CNN, image_size=8, patch_size=4, feature_width=8, projector=kind
    )
    projector = build_model(MODEL, vision, seed=0).projector
    assert projector is not None
    assert {name: tuple(t.shape) for name, t in projector.state_dict().items()} == sizes


@pytest.mark.parametrize(
    ("kind", "feature_width", "width", "size"),
    [
        (Projector.LINEAR, 1152, 512, 590_336),
        (Projector.MLP, 1152, 512, 852_992),  # Prismatic
        (Projector.MLP, 1152, 2048, 6_557_696),  # Prismatic
        (Projector.FUSED_MLP, 1152, 512, 7_935_488),
        (Projector.FUSED_MLP, 2176, 2048, 40_972_800),
    ],
)
def test_projectors_have_prismatic_s_sizes(
    kind: Projector, feature_width: int, width: int, size: int
) -> None:
    projector = build_projector(kind, feature_width=feature_width, width=width)
    assert sum(parameter.numel() for parameter in projector.parameters()) == size


def test_the_fused_projector_is_three_affine_maps_with_exact_gelus_between() -> None:
    projector = build_projector(Projector.FUSED_MLP, feature_width=8, width=32)
    x, y = features(), features()
    for number in (0, 2, 4):
        weight, bias = (projector.state_dict()[f"{number}.{kind}"] for kind in ("weight", "bias"))
        y = y @ weight.T + bias
        if number < 4:
            y = y * (1 + torch.erf(y / 2**0.5)) / 2
    with torch.no_grad():
        torch.testing.assert_close(projector(x), y)


def test_patches_are_cut_row_by_row_and_scaled() -> None:
    pixels = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(1, 8, 6, 3)[:, :6]  # (1, 6, 6, 3)
    flat = patches(np.ascontiguousarray(pixels), 3)
    assert flat.shape == (1, 4, 27)
    second = pixels[0, 0:3, 3:6].ravel()  # the patch to the right of the first
    torch.testing.assert_close(flat[0, 1], torch.from_numpy(second).float() / 127.5 - 1)


def test_black_is_minus_one_and_white_is_one() -> None:
    pixels = np.stack([np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)])
    assert patches(pixels, 2).unique().tolist() == [-1.0, 1.0]


def test_patches_are_put_together_as_they_were_cut() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    whole = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1  # (2, 3, 8, 8)
    torch.testing.assert_close(unpatch(patches(pixels, 4), 4), whole)


@pytest.mark.parametrize(("number", "factors"), [(16, (2, 2, 2, 2)), (14, (2, 7)), (1, (1,))])
def test_prime_factors_are_the_strides(number: int, factors: tuple[int, ...]) -> None:
    assert prime_factors(number) == factors


@pytest.mark.parametrize("patch_size", [16, 14, 6, 5, 1])
def test_a_tower_gives_one_feature_vector_for_each_patch(patch_size: int) -> None:
    vision = VisionConfig(
        encoder=Encoder.CNN,
        image_size=3 * patch_size,
        patch_size=patch_size,
        feature_width=40,
        frozen=False,
    )
    tower = build_model(MODEL, vision, seed=0).tower
    assert tower is not None
    found = tower(torch.randn(2, 9, 3 * patch_size**2))
    assert found.shape == (2, 9, 40)
    content = found - place_code(3, 40)
    torch.testing.assert_close(content.mean(-1), torch.zeros(2, 9), atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [1, 3, 27])
def test_no_two_places_have_one_code(side: int) -> None:
    code = place_code(side, 64)
    assert code.shape == (side**2, 64)
    assert len({tuple(place) for place in code.tolist()}) == side**2
    rows, columns = code.view(side, side, 64).split(32, dim=2)
    assert torch.equal(rows[:, :1].expand_as(rows), rows)  # one half tells the row alone
    assert torch.equal(columns[:1].expand_as(columns), columns)  # the other the column alone


def test_features_tell_equal_patches_in_two_places_apart() -> None:
    tower = build_model(MODEL, TRAINED, seed=0).tower
    assert tower is not None
    with torch.no_grad():
        (found,) = tower(torch.zeros(1, 4, 3 * TRAINED.patch_size**2))
    assert torch.pdist(found).min() > 0.5
