"""The picture of a schedule: every run in its time, the critical path outlined, idle time told."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba, to_rgba_array
from matplotlib.figure import Figure

from analysis.plans.gantt import CRITICAL, MOST_ROWS, draw_gantt
from orchestrator.errors import PlanError
from orchestrator.plan.plan import Plan

Words = Callable[[Figure], list[tuple[str, Any]]]
Place = Callable[..., Any]


@pytest.fixture
def plan(demo: Plan, make_run: Callable[..., Any]) -> Plan:
    return replace(demo, runs=tuple(make_run(f"r{i}") for i in range(6)))


def outlined(figure: Figure) -> int:
    black = {to_rgba(CRITICAL)}
    return sum(
        len(collection.get_paths())
        for collection in figure.axes[0].collections
        if isinstance(collection, PatchCollection)
        and {to_rgba(colour) for colour in to_rgba_array(collection.get_edgecolor())} == black
    )


def test_the_head_tells_length_devices_and_idle_time(
    plan: Plan, place: Place, written_in: Words
) -> None:
    placed = [
        place(run_id="r0", start_hours=0, end_hours=2, devices=2),
        place(run_id="r1", start_hours=0, end_hours=1),
        place(run_id="r2", start_hours=1, end_hours=1.5, devices=2),
    ]
    words = [text for text, _ in written_in(draw_gantt(plan, placed, devices=4).figure)]
    assert "demo: 3 runs on 4 devices in 120 minutes" in words
    assert "simulated; 6 device hours, 25.0% of the devices' time idle" in words
    assert "minutes since the start of the study" in words
    assert "text_pretrain (3)" in words


@pytest.mark.parametrize(
    ("hours", "told"),
    [(0.02, "72 seconds"), (2.5, "150 minutes"), (50.0, "50 hours"), (240.0, "10 days")],
)
def test_the_unit_of_time_fits_the_length(
    plan: Plan, place: Place, written_in: Words, hours: float, told: str
) -> None:
    placed = [place(run_id="r0", start_hours=0, end_hours=hours)]
    words = [text for text, _ in written_in(draw_gantt(plan, placed).figure)]
    assert f"demo: 1 run on 1 device in {told}" in words


def test_the_critical_path_is_outlined_and_nothing_else(plan: Plan, place: Place) -> None:
    placed = [place(run_id=f"r{i}", start_hours=i, end_hours=i + 1) for i in range(6)]
    assert outlined(draw_gantt(plan, placed).figure) == 0
    picture = draw_gantt(plan, placed, critical_path=["r1", "r4"])
    assert outlined(picture.figure) == 2
    critical = [row[0] for row in picture.rows if row[-1]]
    assert critical == ["r1", "r4"]


def test_every_job_of_a_run_is_a_row_of_the_data(plan: Plan, place: Place) -> None:
    placed = [
        place(run_id="r0", start_hours=0, end_hours=4),
        place(run_id="r0", start_hours=5, end_hours=6),
        place(run_id="r1", start_hours=0, end_hours=6, devices=2),
    ]
    rows = draw_gantt(plan, placed).rows
    assert sorted((row[0], row[2], row[3], row[5]) for row in rows) == [
        ("r0", 0, 4, 1),
        ("r0", 5, 6, 1),
        ("r1", 0, 6, 2),
    ]


def test_many_devices_share_rows(plan: Plan, place: Place, written_in: Words) -> None:
    placed = [place(run_id=f"r{i}", start_hours=0, end_hours=1 + i, devices=170) for i in range(6)]
    figure = draw_gantt(plan, placed, devices=1_024).figure
    assert len(figure.axes[0].images) == 1
    assert any("16 devices share a row" in text for text, _ in written_in(figure))
    few = draw_gantt(plan, placed[:1], devices=None)
    assert len(few.figure.axes[0].images) == 1
    one = [place(run_id="r0", start_hours=0, end_hours=1, devices=MOST_ROWS)]
    assert len(draw_gantt(plan, one).figure.axes[0].images) == 0


def test_names_stay_within_their_bars_and_off_narrow_ones(
    demo: Plan, place: Place, written_in: Words
) -> None:
    ids = [run.run_id for run in demo.runs[1:4]]
    placed = [
        place(run_id=ids[0], start_hours=0, end_hours=9),
        place(run_id=ids[1], start_hours=9, end_hours=9.01),
        place(run_id=ids[2], start_hours=9.01, end_hours=10),
    ]
    figure = draw_gantt(demo, placed).figure
    written = written_in(figure)
    assert demo.runs[1].title in [text for text, _ in written]
    assert demo.runs[2].title not in [text for text, _ in written]
    to_pixels = figure.axes[0].transData.transform
    for run, (begin, end) in zip(demo.runs[1:4], [(0, 9), (9, 9.01), (9.01, 10)], strict=True):
        left, right = to_pixels((begin, 0))[0], to_pixels((end, 0))[0]
        for words, box in written:
            if words == run.title:
                assert left <= box.x0
                assert box.x1 <= right


def test_the_texts_of_a_long_schedule_lie_apart(
    demo: Plan, place: Place, check_apart: Callable[[Figure], None]
) -> None:
    placed = [
        place(run_id=run.run_id, start_hours=i // 2, end_hours=i // 2 + 1)
        for i, run in enumerate(demo.runs)
    ]
    check_apart(draw_gantt(demo, placed, critical_path=[demo.runs[0].run_id]).figure)


def test_each_pool_has_its_own_rows(plan: Plan, place: Place, written_in: Words) -> None:
    placed = [
        place(run_id="r0", start_hours=0, end_hours=1, devices=2, pool="long"),
        place(run_id="r1", start_hours=0, end_hours=1, devices=3, pool="short"),
    ]
    picture = draw_gantt(plan, placed)
    assert {row[0]: row[4] for row in picture.rows} == {"r0": 0, "r1": 2}
    words = [text for text, _ in written_in(picture.figure)]
    assert {"long\n(2)", "short\n(3)"} <= set(words)


def test_the_panel_below_counts_busy_devices(plan: Plan, place: Place) -> None:
    placed = [
        place(run_id="r0", start_hours=0, end_hours=2, devices=3),
        place(run_id="r1", start_hours=1, end_hours=2, devices=1),
        place(run_id="r2", start_hours=2, end_hours=3, devices=2),
    ]
    [area] = draw_gantt(plan, placed, devices=5).figure.axes[1].collections
    corners = area.get_paths()[0].vertices
    assert set(np.asarray(corners)[:, 1].tolist()) == {0.0, 2.0, 3.0, 4.0}


def test_a_dollar_in_a_name_is_a_dollar(
    demo: Plan, make_run: Callable[..., Any], place: Place, written_in: Words
) -> None:
    plan = replace(demo, runs=(make_run("r", model=r"$\frac$"),))
    placed = [
        place(run_id="r", start_hours=0, end_hours=1, pool=r"$\frac$"),
        place(run_id="r", start_hours=0, end_hours=1, pool="other"),
    ]
    words = [text for text, _ in written_in(draw_gantt(plan, placed).figure)]
    assert plan.runs[0].title in words


def test_a_run_that_the_plan_does_not_have_is_refused(plan: Plan, place: Place) -> None:
    with pytest.raises(PlanError, match="run other"):
        draw_gantt(plan, [place(run_id="other", start_hours=0, end_hours=1)])


def test_a_schedule_that_takes_no_time_is_refused(plan: Plan) -> None:
    with pytest.raises(PlanError, match="takes no time"):
        draw_gantt(plan, [])
