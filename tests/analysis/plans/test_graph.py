"""The picture of the DAG can be read: texts lie in their boxes and not on each other."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from analysis.plans import graph
from analysis.plans.graph import draw_graph
from orchestrator.errors import PlanError
from orchestrator.plan.plan import Plan
from orchestrator.spec.run import Stage


def test_texts_of_the_demo_lie_apart(demo: Plan, check_apart: Callable[[Figure], None]) -> None:
    check_apart(draw_graph(demo).figure)


def test_texts_of_a_folded_plan_lie_apart(
    demo: Plan, check_apart: Callable[[Figure], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "MOST_NODES", 100)
    picture = draw_graph(demo)
    assert len(picture.rows) <= 100
    check_apart(picture.figure)


def test_every_label_lies_in_a_box_and_boxes_lie_apart(
    demo: Plan, written_in: Callable[[Figure], list[tuple[str, Any]]]
) -> None:
    picture = draw_graph(demo)
    figure = picture.figure
    written = written_in(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [
        patch.get_window_extent(renderer)
        for patch in figure.axes[0].patches
        if isinstance(patch, FancyBboxPatch)
    ]
    assert len(boxes) == len(picture.rows)
    labels = [str(row[2]) for row in picture.rows]
    places = [box for words, box in written if words in labels]
    assert len(places) == len(labels)
    for place in places:
        assert any(box.x0 <= place.x0 and place.x1 <= box.x1 for box in boxes)
    for first, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[first + 1 :])


def test_the_head_counts_runs_and_says_what_was_folded(
    demo: Plan, written_in: Callable[[Figure], list[tuple[str, Any]]]
) -> None:
    picture = draw_graph(demo)
    words = [text for text, _ in written_in(picture.figure)]
    assert f"demo: {len(demo.runs)} runs in {len(picture.rows)} nodes" in words
    assert any("differ only in: suite\nunless a box says otherwise: " in text for text in words)
    evaluations = sum(run.stage is Stage.EVALUATE for run in demo.runs)
    assert f"evaluate ({evaluations})" in words


def test_the_data_names_every_run_once(demo: Plan) -> None:
    picture = draw_graph(demo)
    held = [run_id for row in picture.rows for run_id in str(row[5]).split("|")]
    assert sorted(held) == sorted(run.run_id for run in demo.runs)


def test_a_dollar_in_a_name_is_a_dollar(
    demo: Plan,
    make_run: Callable[..., Any],
    written_in: Callable[[Figure], list[tuple[str, Any]]],
) -> None:
    odd = r"$\frac$"
    runs = tuple(make_run(f"r{i}", model=odd, captions=odd) for i in range(3))
    runs = (*runs, make_run("other", captions="plain"))
    figure = draw_graph(replace(demo, study=odd, runs=runs)).figure
    words = [text for text, _ in written_in(figure)]
    assert words.count(odd) == 3
    assert any(text.endswith(f"unless a box says otherwise: {odd}") for text in words)


def test_a_plan_without_runs_is_refused(demo: Plan) -> None:
    with pytest.raises(PlanError, match="no run to draw"):
        draw_graph(replace(demo, runs=()))


def test_a_plan_that_cannot_be_folded_small_enough_is_refused(
    demo: Plan, make_run: Callable[..., Any]
) -> None:
    runs = tuple(make_run(f"r{i}") for i in range(graph.MOST_DRAWN + 1))
    with pytest.raises(PlanError) as caught:
        draw_graph(replace(demo, runs=runs))
    assert "2,001 nodes" in caught.value.what
    assert "DOT" in caught.value.mend
