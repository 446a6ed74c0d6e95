"""OpenLM's presets have OpenLM's parameter counts (its JSON files at 9bb92ef, biased LayerNorm)."""

from dataclasses import replace

import pytest

from orchestrator.plan.cost.count import body_params, total_params
from orchestrator.spec.model import Norm
from orchestrator.spec.presets import PRESETS

PUBLISHED = {  # total, body
    "open_lm_11m": (10_570_944, 888_000),
    "open_lm_25m": (24_683_904, 5_318_016),
    "open_lm_41m": (41_007_168, 11_958_336),
    "open_lm_79m": (78_922_752, 27_280_384),
    "open_lm_154m": (153_705_600, 95_607_936),
    "open_lm_160m": (162_436_608, 84_973_056),
    "open_lm_411m": (411_666_432, 308_381_696),
    "open_lm_830m": (834_554_880, 679_627_776),
    "open_lm_1b": (1_439_895_552, 1_233_326_080),
    "open_lm_3b": (2_796_098_560, 2_537_886_720),
    "open_lm_7b": (6_889_676_800, 6_476_537_856),
}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_counts_equal_open_lms(name: str) -> None:
    model = replace(PRESETS[name], norm=Norm.DEFAULT, qk_norm=False)
    assert (total_params(model), body_params(model)) == PUBLISHED[name]


def test_the_released_convention_has_one_vector_less() -> None:
    # Gain-only norms with qk-norm: per layer as many as biased norms, the final norm has no bias.
    assert total_params(PRESETS["open_lm_79m"]) == 78_922_240
    assert total_params(PRESETS["open_lm_1b"]) == 1_439_893_504
