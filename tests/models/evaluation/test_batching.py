"""The same questions at any batch size have the same answers; likelihoods differ by rounding.

Padding stands on the right alone, where no earlier position can see it.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]  (it ships no types)
import pytest
import torch

from models.data.tokenizer import IMAGE, PADDING
from models.evaluation.evaluate import ANSWERS, evaluate
from models.evaluation.generation import Prompt, generate
from models.evaluation.likelihood import Continuation, loglikelihoods
from models.evaluation.respondent import Batch, Respondent, Tokens
from orchestrator.spec.execution import Execution, Precision
from orchestrator.spec.suite import SuiteKind
from orchestrator.store.layout import RunFolder

LONGEST = 96
"""Positions of the longest sequence here."""
SIZES = [1, 3, 7, None]
"""Sequences of the longest kind in one batch; None for all in one."""
FP32 = 1e-5
"""Nats: one unit in the last place of 41, the largest here, is 4e-6."""
BF16 = 0.05
"""Nats, of sums of at most six logarithms: bf16 keeps 8 bits, so that each of them, of a logit of
about 2, may move by 2 ** -7 when a matrix product is cut otherwise; 0.01 was seen."""
TEXT_BENCHMARKS = ("shapeworld_facts", "shapeworld_scenes", "shapeworld_sums")


def at(respondent: Respondent, size: int | None) -> Respondent:
    positions = 10**9 if size is None else size * LONGEST
    return replace(respondent, batch_positions=positions)


def prompts() -> list[tuple[Tokens, int | None]]:
    """Prompts of 1 to 90 tokens, with and without an image."""
    rng = Random(3)
    made: list[tuple[Tokens, int | None]] = []
    for length in [1, 1, 2, 5, 20, 40, 70, 85, 88, 90] * 2:
        image = rng.choice([None, *range(12)]) if length > 9 else None
        before = () if image is None else (IMAGE,) * 9
        words = tuple(rng.randrange(4, 500) for _ in range(length - len(before)))
        made.append(((*before, *words), image))
    return made


def continuations() -> list[Continuation]:
    rng = Random(4)
    ends = [tuple(rng.randrange(4, 500) for _ in range(rng.randrange(1, 7))) for _ in prompts()]
    return [
        Continuation((*tokens, *end), len(tokens), image)
        for (tokens, image), end in zip(prompts(), ends, strict=True)
    ]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_is_the_same_at_any_batch_size(
    respondent: Respondent, size: int | None
) -> None:
    asked = [Prompt(tokens, image) for tokens, image in prompts()]
    alone = generate(at(respondent, 0), asked, max_new_tokens=20)
    assert generate(at(respondent, size), asked, max_new_tokens=20) == alone


def test_in_bf16_few_texts_turn_at_a_near_tie(respondent: Respondent) -> None:
    asking = replace(respondent, execution=Execution(precision=Precision.BF16))
    asked = [Prompt(tokens, image) for tokens, image in prompts()]
    alone = generate(at(asking, 0), asked, max_new_tokens=20)
    together = generate(at(asking, None), asked, max_new_tokens=20)
    same = sum(one == other for one, other in zip(alone, together, strict=True))
    assert same >= 0.75 * len(asked)  # random weights have many near ties; 18 of 20 were seen


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("precision", "nats"), [(Precision.FP32, FP32), (Precision.BF16, BF16)])
def test_likelihoods_are_the_same_at_any_batch_size(
    respondent: Respondent, size: int | None, precision: Precision, nats: float
) -> None:
    asking = replace(respondent, execution=Execution(precision=precision))
    alone = loglikelihoods(at(asking, 0), continuations())
    found = loglikelihoods(at(asking, size), continuations())
    for one, expected in zip(found, alone, strict=True):
        assert one.nats == pytest.approx(expected.nats, abs=nats)
        if precision is Precision.FP32:
            assert one.is_greedy == expected.is_greedy


def test_the_longest_and_the_shortest_really_share_a_batch(respondent: Respondent) -> None:
    ticks: list[None] = []
    loglikelihoods(replace(at(respondent, None), tick=lambda: ticks.append(None)), continuations())
    assert len(ticks) == 1


def test_what_stands_in_the_padding_never_matters(respondent: Respondent) -> None:
    rows: list[tuple[Tokens, int | None]] = [((5, 6, 7), None), ((8,) * 90, None), ((9,), None)]
    batch = respondent.batch(rows)
    lengths = torch.tensor([len(tokens) for tokens, _ in rows])
    padding = torch.arange(90) >= lengths[:, None]  # (B, T)
    assert bool((batch.ids[padding] == PADDING).all())
    other = Batch(ids=batch.ids.masked_fill(padding, 77), features=None)
    chosen = torch.nonzero(~padding.flatten()).squeeze(1)
    with respondent.answering():
        assert torch.equal(respondent.logits(batch, chosen), respondent.logits(other, chosen))


@pytest.mark.parametrize(
    "more", [{}, {"kind": SuiteKind.TEXT, "benchmarks": TEXT_BENCHMARKS}], ids=["vision", "text"]
)
def test_a_suite_has_the_same_answers_at_any_batch_size(
    context_of: Callable[..., Any], tmp_path: Path, more: dict[str, Any]
) -> None:
    found: dict[int | None, list[dict[str, Any]]] = {}
    for size in (0, *SIZES):
        context = context_of(**more)
        context.folder = RunFolder(tmp_path / str(size))
        evaluate(context, batch_positions=10**9 if size is None else size * LONGEST)
        found[size] = pq.read_table(context.folder.artifacts / ANSWERS).to_pylist()
    for size in SIZES:
        for one, alone in zip(found[size], found[0], strict=True):
            expected = dict(alone)
            for name in ("loglikelihood", "probability"):  # the second is made of such as the first
                assert one.pop(name) == pytest.approx(expected.pop(name), abs=FP32)
            assert one == expected
