"""The demo's plan, single runs and placements, and what is written in a picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from orchestrator.plan.plan import Axis, AxisValue, Cell, Plan, PlannedRun
from orchestrator.spec.run import Stage
from orchestrator.store.study_plan import load_plan

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"
PIXEL = 1.0
"""Texts may touch by so much: extents are rounded up to whole pixels."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A placement as a schedule has them."""

    run_id: str
    start_hours: float
    end_hours: float
    devices: int = 1
    pool: str = "here"


MakeRun = Callable[..., PlannedRun]


@pytest.fixture(scope="session")
def demo() -> Plan:
    return load_plan(DEMO, results=Path("nowhere"))


@pytest.fixture(scope="session")
def make_run(demo: Plan) -> MakeRun:
    """Return a function that makes a run of the given name, needs, cells and axes."""
    template = next(run for run in demo.runs if run.stage is Stage.TEXT_PRETRAIN)

    def make(
        run_id: str,
        stage: Stage = Stage.TEXT_PRETRAIN,
        needs: Sequence[str] = (),
        cells: Sequence[tuple[str, dict[str, AxisValue]]] = (),
        **axes: AxisValue,
    ) -> PlannedRun:
        return replace(
            template,
            run_id=run_id,
            stage=stage,
            needs=tuple(needs),
            cells=tuple(Cell(arm=arm, axes=axes_of(values)) for arm, values in cells),
            arms=tuple(dict.fromkeys(arm for arm, _ in cells)),
            axes=axes_of({"model": "m", "seed": 0, **axes}),
        )

    return make


def axes_of(values: dict[str, AxisValue]) -> tuple[Axis, ...]:
    return tuple(Axis(name=name, value=value) for name, value in values.items())


@pytest.fixture(scope="session")
def place() -> type[Placed]:
    return Placed


WrittenIn = Callable[[Figure], list[tuple[str, Bbox]]]


@pytest.fixture(scope="session")
def written_in() -> WrittenIn:
    """Return a function that draws a figure and returns its texts and where they stand, in pixels.

    Empty ones and those of ticks beyond the view, which are not drawn, are left out.
    """

    def written(figure: Figure) -> list[tuple[str, Bbox]]:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        axes = [axis for each in figure.axes for axis in (each.xaxis, each.yaxis)]
        ticks = [
            (tick, axis.get_view_interval()) for axis in axes for tick in axis.get_major_ticks()
        ]
        beyond = {
            label
            for tick, view in ticks
            if not min(view) <= tick.get_loc() <= max(view)
            for label in (tick.label1, tick.label2)
        }
        texts = [text for text in figure.findobj(Text) if text.get_visible() and text not in beyond]
        boxes = [
            (text.get_text(), text.get_window_extent(canvas.get_renderer()))
            for text in texts
            if text.get_text().strip()
        ]
        return [(words, box) for words, box in boxes if box.width > 0]

    return written


CheckApart = Callable[[Figure], None]


@pytest.fixture(scope="session")
def check_apart(written_in: WrittenIn) -> CheckApart:
    """Return a function that checks that texts lie within a figure and not on each other."""

    def check(figure: Figure) -> None:
        written = written_in(figure)
        width, height = figure.bbox.width, figure.bbox.height
        for words, box in written:
            assert box.x0 >= 0, words
            assert box.y0 >= 0, words
            assert box.x1 <= width, words
            assert box.y1 <= height, words
        for place, (words, box) in enumerate(written):
            for other_words, other in written[place + 1 :]:
                across = min(box.x1, other.x1) - max(box.x0, other.x0)
                down = min(box.y1, other.y1) - max(box.y0, other.y0)
                assert min(across, down) <= PIXEL, (words, other_words)

    return check
