"""The decoder is OpenLM's: sizes, names, initial weights; and it attends as it should."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import create_block_mask

from models.architecture.attention import (
    GROWTH,
    KeyValueCache,
    Layout,
    attend,
    block_visibility,
    visibility,
)
from models.architecture.build import build_model, generator
from models.architecture.lm import BlockShape, Decoder, build_decoder
from orchestrator.spec.model import FeedForward, ModelConfig, Norm

TINY = ModelConfig(
    width=32,
    depth=2,
    heads=4,
    vocab_size=50,
    seq_len=16,
    norm=Norm.DEFAULT,
    qk_norm=True,
    ffn_multiple=8,
)

# OpenLM's JSON presets: width, depth, heads, width of a head, hidden width, vocabulary, norm, and
# all parameters with a biased layer norm (llama2_7b: RMS norm) and without qk-norm.
PRESETS = {
    "open_lm_11m": (96, 12, 12, 8, 256, 50432, Norm.DEFAULT, 11_014_848),
    "open_lm_11m_v2": (96, 8, 4, 24, 256, 50432, Norm.DEFAULT, 10_570_944),
    "open_lm_25m": (192, 12, 12, 16, 512, 50432, Norm.DEFAULT, 24_683_904),
    "open_lm_41m": (288, 12, 12, 24, 768, 50432, Norm.DEFAULT, 41_007_168),
    "open_lm_79m_v2": (512, 8, 4, 128, 1536, 50432, Norm.DEFAULT, 78_922_752),
    "open_lm_87m": (488, 12, 12, 40, 1536, 50432, Norm.DEFAULT, 87_474_000),
    "open_lm_154m_v2": (576, 24, 8, 72, 1536, 50432, Norm.DEFAULT, 153_705_600),
    "open_lm_160m": (768, 12, 12, 64, 2048, 50432, Norm.DEFAULT, 162_436_608),
    "open_lm_410m": (1024, 24, 16, 64, 2816, 50432, Norm.DEFAULT, 411_666_432),
    "open_lm_411m_v2": (1024, 24, 8, 128, 2816, 50432, Norm.DEFAULT, 411_666_432),
    "open_lm_830m": (1536, 24, 16, 96, 4096, 50432, Norm.DEFAULT, 834_554_880),
    "open_lm_1b": (2048, 24, 16, 128, 5632, 50432, Norm.DEFAULT, 1_439_895_552),
    "m1b_tiktoken": (2048, 24, 16, 128, 5632, 50304, Norm.DEFAULT, 1_439_371_264),
    "open_lm_3b": (2560, 32, 32, 80, 6912, 50432, Norm.DEFAULT, 2_796_098_560),
    "open_lm_7b": (4096, 32, 32, 128, 11008, 50432, Norm.DEFAULT, 6_889_676_800),
    "llama2_7b": (4096, 32, 32, 128, 11008, 32000, Norm.RMS, 6_738_415_616),
    "open_lm_test_tiny": (16, 2, 2, 8, 256, 16, Norm.DEFAULT, 27_296),
}


def preset(name: str, norm: Norm | None = None, *, qk_norm: bool = False) -> Decoder:
    width, depth, heads, head_width, ffn_width, vocab_size, usual, _ = PRESETS[name]
    shape = BlockShape(
        width=width,
        heads=heads,
        head_width=head_width,
        norm=norm or usual,
        qk_norm=qk_norm,
        ffn=FeedForward.SWIGLU,
        ffn_width=ffn_width,
    )
    with torch.device("meta"):
        return Decoder(vocab_size=vocab_size, depth=depth, shape=shape, weight_tying=False)


def numel(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_the_parameters_of_open_lm(name: str) -> None:
    assert numel(preset(name)) == PRESETS[name][-1]


@pytest.mark.parametrize(
    ("name", "total"), [("open_lm_79m_v2", 78_922_240), ("open_lm_1b", 1_439_893_504)]
)
def test_gain_only_norms_with_qk_norm_have_the_parameters_of_the_released_runs(
    name: str, total: int
) -> None:
    assert numel(preset(name, Norm.GAIN_ONLY_LP, qk_norm=True)) == total


def declared(name: str) -> ModelConfig:
    width, depth, heads, _, _, vocab_size, norm, _ = PRESETS[name]
    return ModelConfig(
        width=width,
        depth=depth,
        heads=heads,
        vocab_size=vocab_size,
        seq_len=2048,
        norm=norm,
        qk_norm=False,
    )


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "open_lm_87m"])
def test_a_declared_model_has_the_preset_s_shapes(name: str) -> None:
    with torch.device("meta"):
        built = build_decoder(declared(name))
    expected = {key: tensor.shape for key, tensor in preset(name).state_dict().items()}
    assert {key: tensor.shape for key, tensor in built.state_dict().items()} == expected


def open_lm_keys(*, layers: int, bias: bool, qk_norm: bool) -> set[str]:
    gains = ["attention_norm", "ffn_norm"]
    gains += ["attention.q_norm", "attention.k_norm"] if qk_norm else []
    block = ["attention.in_proj.weight", "attention.out_proj.weight"]
    block += ["attention.pos_embed.inv_freq", "feed_forward.w12.weight", "feed_forward.w3.weight"]
    block += [f"{gain}.{kind}" for gain in gains for kind in ["weight", "bias"][: 1 + bias]]
    ends = ["tok_embeddings.weight", "norm.weight", "output.weight"] + ["norm.bias"] * bias
    return {*ends, *(f"layers.{layer}.{key}" for layer in range(layers) for key in block)}


@pytest.mark.parametrize(
    ("norm", "bias", "qk_norm", "keys"),
    [
        (Norm.DEFAULT, True, False, 76),
        (Norm.GAIN_ONLY, False, True, 75),
        (Norm.GAIN_ONLY_LP, False, True, 75),
        (Norm.RMS, False, False, 59),
    ],
)
def test_the_79m_state_dict_has_open_lm_s_keys(
    norm: Norm, bias: bool, qk_norm: bool, keys: int
) -> None:
    found = set(preset("open_lm_79m_v2", norm, qk_norm=qk_norm).state_dict())
    assert found == open_lm_keys(layers=8, bias=bias, qk_norm=qk_norm)
    assert len(found) == keys


def test_parameters_are_registered_in_open_lm_s_order() -> None:
    # Non-FSDP optimizer states of OpenLM number the parameters in this order.
    names = [
        name for name, _ in preset("open_lm_79m_v2", Norm.RMS, qk_norm=True).named_parameters()
    ]
    assert names[0] == "tok_embeddings.weight"
    assert [name.removeprefix("layers.0.") for name in names[1:9]] == [
        "attention.in_proj.weight",
        "attention.out_proj.weight",
        "attention.q_norm.weight",
        "attention.k_norm.weight",
        "feed_forward.w12.weight",
        "feed_forward.w3.weight",
        "attention_norm.weight",
        "ffn_norm.weight",
    ]
    assert names[-2:] == ["norm.weight", "output.weight"]


def initialised(**change: object) -> Decoder:
    wide = ModelConfig(
        **{  # pyright: ignore[reportArgumentType]  (fields of several types)
            "width": 256,
            "depth": 3,
            "heads": 4,
            "vocab_size": 1000,
            "seq_len": 8,
            "norm": Norm.DEFAULT,
            "qk_norm": True,
            **change,
        }
    )
    return build_model(wide, None, seed=0).decoder


@pytest.mark.parametrize("ffn", FeedForward)
def test_initial_weights_are_truncated_normals_scaled_by_their_own_layer(ffn: FeedForward) -> None:
    decoder = initialised(ffn=ffn)
    state = decoder.state_dict()
    into, out = ("w12", "w3") if ffn is FeedForward.SWIGLU else ("0", "2")
    hidden = decoder.layers[0].state_dict()[f"feed_forward.{out}.weight"].shape[1]
    D = 256
    sigmas = {"tok_embeddings.weight": D**-0.5, "output.weight": D**-0.5}
    for layer in range(3):
        by_depth = (2 * (layer + 1)) ** -0.5
        block = f"layers.{layer}"
        sigmas[f"{block}.attention.in_proj.weight"] = D**-0.5
        sigmas[f"{block}.attention.out_proj.weight"] = D**-0.5 * by_depth
        sigmas[f"{block}.feed_forward.{into}.weight"] = D**-0.5
        sigmas[f"{block}.feed_forward.{out}.weight"] = hidden**-0.5 * by_depth
    for name, sigma in sigmas.items():
        weight = state[name]
        # Standard deviation of a normal cut at 3 sigma; the error of 65,536 draws is 0.3 %.
        assert weight.std().item() == pytest.approx(0.9866 * sigma, rel=0.015), name
        assert weight.abs().max() <= 3 * sigma
        assert weight.mean().abs() < 5 * sigma / math.sqrt(weight.numel())


def test_norms_start_with_gain_one_and_bias_zero() -> None:
    for name, tensor in initialised().state_dict().items():
        if "norm.weight" in name:
            assert torch.equal(tensor, torch.ones_like(tensor))
        if "norm.bias" in name:
            assert torch.equal(tensor, torch.zeros_like(tensor))


def test_initial_weights_depend_on_the_seed_and_nothing_else() -> None:
    torch.manual_seed(5)
    first = build_model(TINY, None, seed=1).state_dict()
    torch.manual_seed(6)
    again = build_model(TINY, None, seed=1).state_dict()
    other = build_model(TINY, None, seed=2).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    name = "decoder.layers.0.attention.in_proj.weight"
    assert not torch.equal(first[name], other[name])


def test_building_leaves_the_global_random_numbers_alone() -> None:
    before = torch.random.get_rng_state()
    build_model(TINY, None, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())


def layer_norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / torch.sqrt(centred.square().mean(-1, keepdim=True) + 1e-5)
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def rotated(x: Tensor, position: int) -> Tensor:
    """Rotate one head's vector by an obvious loop over pairs (i, i + K / 2)."""
    K = len(x)
    out = torch.empty_like(x)
    for i in range(K // 2):
        angle = position * 10_000 ** (-2 * i / K)
        a, b = x[i], x[i + K // 2]
        out[i] = a * math.cos(angle) - b * math.sin(angle)
        out[i + K // 2] = b * math.cos(angle) + a * math.sin(angle)
    return out


def reference_logits(model: ModelConfig, state: dict[str, Tensor], ids: list[int]) -> Tensor:
    """The decoder as a loop over positions and heads, with SwiGLU and biased layer norms."""
    K, H = model.head_width, model.heads
    x = state["tok_embeddings.weight"][torch.tensor(ids)]  # (T, D)
    for layer in range(model.depth):
        own = {
            name.removeprefix(f"layers.{layer}."): tensor
            for name, tensor in state.items()
            if name.startswith(f"layers.{layer}.")
        }
        normed = layer_norm(x, own, "attention_norm")
        q, k, v = (normed @ own["attention.in_proj.weight"].T).split(H * K, -1)
        q, k = layer_norm(q, own, "attention.q_norm"), layer_norm(k, own, "attention.k_norm")
        mixed = torch.zeros_like(v)
        for t in range(len(ids)):
            for head in (slice(h * K, (h + 1) * K) for h in range(H)):
                query = rotated(q[t, head], t)
                scores = [query @ rotated(k[s, head], s) / math.sqrt(K) for s in range(t + 1)]
                mixed[t, head] = torch.softmax(torch.stack(scores), 0) @ v[: t + 1, head]
        x = x + mixed @ own["attention.out_proj.weight"].T
        normed = layer_norm(x, own, "ffn_norm")
        gate, value = (normed @ own["feed_forward.w12.weight"].T).chunk(2, -1)
        x = x + (gate * torch.sigmoid(gate) * value) @ own["feed_forward.w3.weight"].T
    return layer_norm(x, state, "norm") @ state["output.weight"].T


def scrambled(model: ModelConfig) -> Decoder:
    """A decoder whose gains and biases differ from one and zero too."""
    decoder = build_model(model, None, seed=0).decoder
    with torch.no_grad():
        for parameter in decoder.parameters():
            if parameter.ndim == 1:
                nn.init.normal_(parameter, 1.0, 0.3, generator=generator(1, "scrambled"))
    return decoder.eval()


@torch.no_grad()
def test_logits_are_those_of_a_plain_loop() -> None:
    decoder = scrambled(TINY)
    ids = [3, 1, 4, 1, 5, 9, 2, 6]
    expected = reference_logits(TINY, decoder.state_dict(), ids)
    found = decoder.logits(decoder(decoder.embed(torch.tensor([ids]))))[0]
    # fp32 with a few dozen terms a sum: errors of some 1e-6 on logits of order 1.
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)


@torch.no_grad()
def test_a_document_is_read_as_if_it_stood_alone_at_its_position() -> None:
    decoder = scrambled(TINY)
    ids = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    documents = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1]])
    masked = decoder(decoder.embed(ids), documents)
    # Rotary attention depends on differences of positions alone.
    torch.testing.assert_close(masked[:, :3], decoder(decoder.embed(ids[:, :3])))
    torch.testing.assert_close(masked[:, 3:], decoder(decoder.embed(ids[:, 3:])))


@pytest.mark.parametrize("length", [128, 300])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_blocks_show_what_a_mask_shows(length: int) -> None:
    rows = [torch.arange(length) // 50, torch.arange(length) // 170, torch.zeros(length)]
    documents = torch.stack(rows).int()
    documents[1, -20:] = -1
    q, k, v = torch.randn(3, 3, 2, length, 16, generator=torch.Generator().manual_seed(0))
    mask = visibility(documents, length=length, start=0, device=documents.device)
    blocks = block_visibility(documents)
    torch.testing.assert_close(attend(q, k, v, blocks), attend(q, k, v, mask))


@pytest.mark.parametrize("length", [100, 128, 300, 512])
def test_blocks_are_those_that_pytorch_finds(length: int) -> None:
    rows = [torch.arange(length) // 50, torch.arange(length) // 170, torch.zeros(length)]
    documents = torch.stack(rows).int()

    def sees(b: Tensor, _: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return (q >= k) & torch.eq(documents[b, q], documents[b, k])

    found = block_visibility(documents).blocks
    assert found is not None
    expected = create_block_mask(sees, len(rows), None, length, length, device="cpu")
    for name in ("kv_num_blocks", "full_kv_num_blocks", "q_num_blocks", "full_q_num_blocks"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    assert torch.equal(found.to_dense(), expected.to_dense())


@torch.no_grad()
def test_later_positions_are_not_seen() -> None:
    decoder = scrambled(TINY)
    ids = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    changed = ids.clone()
    changed[0, 5] = 7
    before, after = decoder(decoder.embed(ids)), decoder(decoder.embed(changed))
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5:], after[:, 5:])


@torch.no_grad()
@pytest.mark.parametrize("pieces", [[8], [5, 1, 1, 1], [3, 2, 3], [1] * 8])
def test_decoding_in_pieces_gives_the_same_activations(pieces: list[int]) -> None:
    model = build_model(TINY, None, seed=0).eval()
    ids = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8]])
    cache = model.new_cache()
    found = [model(piece, cache=cache) for piece in ids.split(pieces, 1)]
    assert cache.length == 8
    torch.testing.assert_close(torch.cat(found, 1), model(ids), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_tied_weights_are_read_from_the_embedding() -> None:
    tied = build_model(
        ModelConfig(
            width=32,
            depth=1,
            heads=2,
            vocab_size=50,
            seq_len=8,
            norm=Norm.RMS,
            qk_norm=False,
            weight_tying=True,
        ),
        None,
        seed=0,
    ).decoder
    hidden = torch.randn(2, 32)
    assert "output.weight" not in tied.state_dict()
    assert torch.equal(tied.logits(hidden), F.linear(hidden, tied.tok_embeddings.weight))


@torch.no_grad()
def test_embeddings_are_normalised_before_the_first_block() -> None:
    plain = build_decoder(TINY)
    plain.initialise(torch.Generator().manual_seed(0))
    normed = build_decoder(replace(TINY, post_embed_norm=True))
    normed.initialise(torch.Generator().manual_seed(0))  # draws nothing for a norm
    embedded = 3 * torch.randn(2, 8, TINY.width, generator=torch.Generator().manual_seed(1)) + 1
    same = F.layer_norm(embedded, (TINY.width,), eps=1e-5)
    chosen = torch.tensor([2, 9])
    torch.testing.assert_close(normed(embedded), plain(same))
    torch.testing.assert_close(normed.chosen(embedded, chosen), plain.chosen(same, chosen))
    for state, expected in zip(normed.states(embedded), plain.states(same), strict=True):
        torch.testing.assert_close(state, expected)
    first, *_ = normed.state_dict()  # OpenLM numbers state in this order
    assert first == "post_embed_norm.weight"


def test_joined_caches_of_other_lengths_go_on_as_each_alone() -> None:
    model = build_model(TINY, None, seed=0).eval()
    rows = [torch.tensor([[4, 5, 6, 7, 8]]), torch.tensor([[9, 10]])]
    following = torch.tensor([[11, 12, 13], [14, 15, 16]])
    alone = [model(torch.cat((row, following[i : i + 1]), 1))[:, -3:] for i, row in enumerate(rows)]
    caches = [model.new_cache() for _ in rows]
    for row, cache in zip(rows, caches, strict=True):
        model(row, cache=cache)
    joined = KeyValueCache.joined(caches)
    assert joined.length == 5
    lengths = torch.tensor([[5], [2]])
    found: list[Tensor] = []
    for step in range(3):
        columns = torch.arange(5 + step + 1)
        mask = ((columns < lengths) | (columns >= 5))[:, None, None]
        layout = Layout(places=lengths + step, mask=mask)
        found.append(model(following[:, step : step + 1], cache=joined, layout=layout))
    assert torch.allclose(torch.cat(found, 1), torch.cat(alone), atol=1e-5)


def test_a_cache_grows_past_its_room() -> None:
    model = build_model(TINY, None, seed=0).eval()
    ids = torch.randint(4, 50, (2, 2 * GROWTH + 5))
    cache = model.new_cache()
    found = [model(piece, cache=cache) for piece in ids.split(1, 1)]
    assert cache.length == ids.shape[1]
    assert torch.allclose(torch.cat(found, 1), model(ids), atol=1e-4)
