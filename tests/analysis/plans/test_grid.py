"""Which cells of a design hold models: none missed, none invented, none counted twice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.plans.canvas import MARGIN
from analysis.plans.coverage import Coverage, coverage
from analysis.plans.grid import SHEET, STATE_COLOURS, draw_grid
from orchestrator.errors import PlanError
from orchestrator.plan.observed import State
from orchestrator.plan.plan import AxisValue, Plan, PlannedArm, PlannedRun

MakeRun = Callable[..., Any]


def only(plan: Plan) -> Coverage:
    [arm] = coverage(plan)
    return arm


def of_runs(demo: Plan, *runs: PlannedRun) -> Plan:
    names = dict.fromkeys(cell.arm for run in runs for cell in run.cells)
    arms = tuple(PlannedArm(name=name, group=None, feeds=()) for name in names)
    return replace(demo, runs=runs, arms=arms)


@pytest.fixture
def plan_of(demo: Plan, make_run: MakeRun) -> Callable[..., Plan]:
    """Return a function that makes a plan of one arm, a run for each place in it."""

    def make(*places: dict[str, AxisValue]) -> Plan:
        runs = [make_run(f"r{i}", cells=[("arm", place)]) for i, place in enumerate(places)]
        return of_runs(demo, *runs)

    return make


def test_every_model_of_the_demo_is_in_the_cell_of_its_values(demo: Plan) -> None:
    arms = {arm.arm: arm for arm in coverage(demo)}
    assert set(arms) == {cell.arm for run in demo.runs for cell in run.cells}
    for run in demo.runs:
        for cell in run.cells:
            arm, values = arms[cell.arm], {axis.name: axis.value for axis in cell.axes}
            row = arm.down.values.index(values[arm.down.axis]) if arm.down.axis else 0
            column = arm.across.values.index(values[str(arm.across.axis)])
            assert run.run_id in arm.cells[row, column]
    held = sum(len(ids) for arm in arms.values() for ids in arm.cells.values())
    assert held == sum(len(run.cells) for run in demo.runs)


def test_rows_and_columns_are_the_axes_with_the_most_values(plan_of: Callable[..., Plan]) -> None:
    places = [
        {"model": model, "rule": rule, "image_ratio": ratio}
        for model in ("b", "a")
        for rule in ("x", "y", "z")
        for ratio in (0.3, 0.0, 0.1, 0.2)
    ]
    arm = only(plan_of(*places))
    assert (arm.down.axis, arm.across.axis) == ("rule", "image_ratio")
    assert arm.across.values == (0.0, 0.1, 0.2, 0.3)
    assert arm.further == "b, a"
    assert {len(ids) for ids in arm.cells.values()} == {2}


def test_a_seed_is_counted_in_a_cell_however_many_there_are(plan_of: Callable[..., Plan]) -> None:
    places = [
        {"seed": seed, "model": model, "epochs": epochs}
        for seed in range(5)
        for model in ("a", "b")
        for epochs in (1, 2)
    ]
    arm = only(plan_of(*places))
    assert (arm.down.axis, arm.across.axis) == ("model", "epochs")
    assert {len(ids) for ids in arm.cells.values()} == {5}


def test_a_seed_is_shown_where_nothing_else_varies(plan_of: Callable[..., Plan]) -> None:
    arm = only(plan_of(*({"model": "a", "seed": seed} for seed in (365, 7))))
    assert (arm.across.axis, arm.across.values) == ("seed", (7, 365))


def test_a_cell_that_no_run_fills_is_empty(plan_of: Callable[..., Plan]) -> None:
    arm = only(plan_of({"a": 1, "b": 1}, {"a": 2, "b": 2}))
    assert set(arm.cells) == {(0, 0), (1, 1)}


def test_an_arm_without_axes_has_one_cell(plan_of: Callable[..., Plan]) -> None:
    arm = only(plan_of({}, {}))
    assert arm.cells == {(0, 0): ("r0", "r1")}


def test_a_run_that_fills_a_place_twice_is_one_model(demo: Plan, make_run: MakeRun) -> None:
    run = make_run("r", cells=[("arm", {"a": 1}), ("arm", {"a": 1})])
    assert only(of_runs(demo, run)).cells == {(0, 0): ("r",)}


def cells(figure: Figure) -> list[Rectangle]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]


def filled(figure: Figure, colour: str) -> list[Rectangle]:
    return [cell for cell in cells(figure) if to_hex(cell.get_facecolor()) == colour.lower()]


def test_more_models_are_darker_and_counted(
    plan_of: Callable[..., Plan], written_in: Callable[[Figure], list[tuple[str, Any]]]
) -> None:
    picture = draw_grid(plan_of({"a": 1}, {"a": 1}, {"a": 1}, {"a": 2}))
    words = [text for text, _ in written_in(picture.figure)]
    assert "demo: 4 models in 1 arm" in words
    assert words.count("3") == 1
    assert len(filled(picture.figure, "#0072B2")) == 1
    assert len(cells(picture.figure)) == 2 + 2  # the table, and what fills it


def test_states_divide_a_cell(
    plan_of: Callable[..., Plan], written_in: Callable[[Figure], list[tuple[str, Any]]]
) -> None:
    plan = plan_of({"a": 1}, {"a": 1}, {"a": 1}, {"a": 1})
    states = {"r0": State.DONE, "r1": State.FAILED, "r2": State.DONE}
    picture = draw_grid(plan, states)
    words = [text for text, _ in written_in(picture.figure)]
    assert "2/4" in words
    assert {"done (2)", "failed (1)", "unknown (1)"} <= set(words)
    widths = {
        state: sum(c.get_width() for c in filled(picture.figure, STATE_COLOURS[state]))
        for state in (State.DONE, State.FAILED, State.UNKNOWN)
    }
    assert widths[State.DONE] == pytest.approx(2 * widths[State.FAILED])
    assert widths[State.UNKNOWN] == pytest.approx(widths[State.FAILED])
    assert [row[-1] for row in picture.rows] == ["done", "failed", "done", "unknown"]


def test_every_state_has_a_colour_of_its_own() -> None:
    assert set(STATE_COLOURS) == set(State)
    assert len(set(STATE_COLOURS.values())) == len(State)


@pytest.mark.parametrize("has_states", [False, True])
def test_the_texts_of_the_demo_lie_apart(
    demo: Plan, check_apart: Callable[[Figure], None], has_states: bool
) -> None:
    check_apart(draw_grid(demo, {} if has_states else None).figure)


def test_long_names_and_many_values_lie_apart(
    plan_of: Callable[..., Plan], check_apart: Callable[[Figure], None]
) -> None:
    places = [{"model": "m" * (1 + 30 * (i % 2)), "image_ratio": i / 200} for i in range(200)]
    check_apart(draw_grid(plan_of(*places)).figure)
    places = [{"captions": f"a/very_long_name_of_a_source_{i}"} for i in range(8)]
    check_apart(draw_grid(plan_of(*places)).figure)


def test_tables_that_fill_the_sheet_go_on_below(demo: Plan) -> None:
    width, height = draw_grid(demo).figure.get_size_inches()
    assert width <= SHEET + 2 * MARGIN
    one_row = replace(demo, runs=tuple(run for run in demo.runs if "epochs" in run.arms))
    assert height > draw_grid(one_row).figure.get_size_inches()[1]


def test_a_dollar_in_a_name_is_a_dollar(
    demo: Plan, make_run: MakeRun, written_in: Callable[[Figure], list[tuple[str, Any]]]
) -> None:
    odd = r"$\frac$"
    run = make_run("r", cells=[(odd, {odd: odd, "b": odd, "seed": 1})])
    figure = draw_grid(replace(of_runs(demo, run), study=odd)).figure
    assert [text for text, _ in written_in(figure)].count(odd) >= 3


def test_a_plan_without_models_is_refused(demo: Plan, make_run: MakeRun) -> None:
    with pytest.raises(PlanError, match="no arm has a model"):
        draw_grid(replace(demo, runs=(make_run("r"),)))
