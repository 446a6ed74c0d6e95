"""Trunks are cut where something leaves them, and what two of them share is trained once."""

from dataclasses import replace
from itertools import pairwise

from orchestrator.plan.trunk import Segment, cut_trunks, partings
from orchestrator.spec.model import ModelConfig, Norm
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.rate import Curve, LearningRate
from orchestrator.spec.run import TextPretrain
from orchestrator.spec.source import DataSource

MODEL = ModelConfig(
    width=32, depth=2, heads=2, vocab_size=64, seq_len=16, norm=Norm.GAIN_ONLY_LP, qk_norm=True
)


def segment(end: int, *, length: int = 6_400, curve: Curve = Curve.COSINE) -> TextPretrain:
    rate = LearningRate(peak=1.0, warmup_steps=5, curve=curve, anneal=0.2)
    return TextPretrain(
        model=MODEL,
        text=DataSource(name="world/text", version="1"),
        val_text=None,
        end_tokens=end,
        batch_tokens=64,
        schedule=rate.schedule(length=length, batch=64).until(end),
        optimizer=OptimizerConfig(),
        seed=0,
    )


def cut(*configs: TextPretrain) -> list[Segment]:
    return list(cut_trunks((str(i), config) for i, config in enumerate(configs)).values())


def test_each_segment_goes_on_from_the_nearest_before_it_in_whatever_order_they_come() -> None:
    late, early, middle = cut(segment(6_400), segment(640), segment(3_200))
    assert (early.previous, middle.previous, late.previous) == (None, "1", "2")
    assert (early.begin_tokens, middle.begin_tokens, late.begin_tokens) == (0, 640, 3_200)
    assert late.trunk == early.trunk == middle.trunk


def test_other_seeds_models_and_optimizers_have_trunks_of_their_own() -> None:
    first = segment(640)
    others = [
        replace(segment(6_400), seed=1),
        replace(segment(6_400), model=replace(MODEL, depth=3)),
        replace(segment(6_400), optimizer=OptimizerConfig(beta2=0.99)),
        replace(segment(6_400), text=DataSource(name="world/text", version="2")),
    ]
    cuts = cut(first, *others)
    assert [each.previous for each in cuts] == [None] * 5
    assert len({each.trunk for each in cuts}) == 5


def test_budgets_share_a_plateau_and_part_where_one_of_them_anneals() -> None:
    # The shorter one anneals from 2,560 of 3,200 tokens on, the longer one from 5,120 on.
    short_plateau = segment(1_920, length=3_200, curve=Curve.WSD)
    short_end = segment(3_200, length=3_200, curve=Curve.WSD)
    long_middle = segment(4_480, length=6_400, curve=Curve.WSD)
    long_end = segment(6_400, length=6_400, curve=Curve.WSD)
    cuts = cut(short_plateau, short_end, long_middle, long_end)
    assert [each.previous for each in cuts] == [None, "0", "0", "2"]
    assert [each.begin_tokens for each in cuts] == [0, 1_920, 1_920, 4_480]
    assert {each.trunk for each in cuts} == {0}


def test_cosines_of_different_lengths_share_nothing_after_the_warm_up() -> None:
    warm = segment(320)  # 5 steps of 64
    cuts = cut(warm, segment(3_200, length=3_200), segment(6_400), segment(3_200))
    assert [each.previous for each in cuts] == [None, "0", "3", "0"]


def test_a_long_trunk_is_one_line() -> None:
    cuts = cut(*(segment(end) for end in range(64, 6_401, 64)))
    assert cuts[0].previous is None
    assert all(later.previous == earlier.run_id for earlier, later in pairwise(cuts))


def test_trunks_are_cut_where_they_part_though_nothing_leaves_them_there() -> None:
    short = segment(3_200, length=3_200, curve=Curve.WSD)
    long = segment(6_400, curve=Curve.WSD)
    [(new, one)] = partings([short, long])
    assert new.end_tokens == 2_560  # where the short one begins to anneal
    assert one in (short, long)
    cuts = cut(short, long, new)
    assert [each.previous for each in cuts] == ["2", "2", None]


def test_a_warm_up_too_short_to_be_worth_a_run_is_not_cut_off() -> None:
    # 5 steps of 64 tokens are a twentieth of 6,400 tokens, and less of 12,800.
    ends = (6_400, 12_800, 19_200)
    configs = [segment(end, length=end) for end in ends]
    assert [new.end_tokens for new, _ in partings(configs[:2])] == [320]
    assert partings(configs[1:]) == ()


def test_a_cut_stays_as_a_study_grows() -> None:
    before = [segment(5_120, length=12_800), segment(6_400, length=16_000)]
    [(cut_off, _)] = partings(before)
    grown = [*before, segment(12_800, length=12_800), segment(16_000, length=16_000)]
    assert cut_off.end_tokens == 320
    assert [new for new, _ in partings(grown)] == [cut_off]


def test_a_cut_that_is_there_already_is_not_made_again() -> None:
    short = segment(3_200, length=3_200, curve=Curve.WSD)
    assert partings([short, segment(6_400, curve=Curve.WSD), segment(2_560, curve=Curve.WSD)]) == ()
