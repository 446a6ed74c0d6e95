"""Each norm has OpenLM's tensors and arithmetic."""

import pytest
import torch
from torch import Tensor

from models.architecture.norm import build_norm
from orchestrator.spec.model import Norm

X = torch.tensor([[1.0, -2.0, 3.0, 6.0], [0.5, 0.5, 0.5, 0.5]])
GAIN = torch.tensor([0.5, 1.0, 2.0, -1.0])
BIAS = torch.tensor([0.1, -0.2, 0.3, 0.0])


def centred(x: Tensor) -> Tensor:
    x = x - x.mean(-1, keepdim=True)
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + 1e-5)


EXPECTED = {
    Norm.DEFAULT: centred(X) * GAIN + BIAS,
    Norm.LP: centred(X) * GAIN + BIAS,
    Norm.GAIN_ONLY: centred(X) * GAIN,
    Norm.GAIN_ONLY_LP: centred(X) * GAIN,
    Norm.NO_WEIGHT: centred(X),
    Norm.RMS: X / torch.sqrt(X.square().mean(-1, keepdim=True) + 1e-5) * GAIN,
}


@pytest.mark.parametrize("kind", Norm)
def test_a_norm_gives_what_its_formula_says(kind: Norm) -> None:
    norm = build_norm(kind, 4)
    given = {"weight": GAIN, "bias": BIAS}
    norm.load_state_dict({name: given[name] for name in norm.state_dict()})
    torch.testing.assert_close(norm(X), EXPECTED[kind])


@pytest.mark.parametrize("kind", [Norm.LP, Norm.GAIN_ONLY_LP])
def test_a_low_precision_norm_works_in_the_format_of_autocast(kind: Norm) -> None:
    norm = build_norm(kind, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert norm(X).dtype == torch.bfloat16
    assert norm(X).dtype == torch.float32


def test_rms_norm_keeps_its_statistics_in_fp32() -> None:
    large = torch.full((1, 4), 3e4, dtype=torch.float16)  # its square is beyond float16
    assert torch.allclose(build_norm(Norm.RMS, 4)(large), torch.ones(1, 4))
