"""The mean colour of devices that share a row keeps their time: nothing is lost or shown twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.plans.packing import Bar
from analysis.plans.shared_rows import ROWS, SPOTS, mean_colours

BLACK = "#000000"


def bar(run_id: str, begin: float, end: float, device: int, devices: int) -> Bar:
    return Bar(run_id=run_id, start_hours=begin, end_hours=end, device=device, devices=devices)


def test_idle_is_white_and_busy_has_the_runs_colour() -> None:
    # 128 devices in 64 rows, 480 hours in 480 spots: two devices and one hour a spot.
    image = mean_colours([bar("r", 10, 12, 4, 2)], {"r": "#FF0000"}, devices=2 * ROWS, hours=SPOTS)
    assert image[2, 10].tolist() == [1, 0, 0]
    assert image[2, 11].tolist() == [1, 0, 0]
    image[2, 10:12] = 1
    assert (image == 1).all()


def test_a_spot_that_is_half_busy_is_half_as_dark() -> None:
    one_of_two = [bar("r", 0, SPOTS, 0, 1)]
    image = mean_colours(one_of_two, {"r": BLACK}, devices=2 * ROWS, hours=SPOTS)
    assert image[0, :, 0] == pytest.approx(0.5)
    half_an_hour = [bar("r", 0, 0.5, 0, 2)]
    image = mean_colours(half_an_hour, {"r": BLACK}, devices=2 * ROWS, hours=SPOTS)
    assert image[0, 0, 0] == pytest.approx(0.5)


def test_runs_in_one_spot_add_up() -> None:
    bars = [bar("r", 0, 1, 0, 1), bar("g", 0, 0.5, 1, 1)]
    colours = {"r": "#FF0000", "g": "#00FF00"}
    image = mean_colours(bars, colours, devices=2 * ROWS, hours=SPOTS)
    # Half red, a quarter green, a quarter white.
    assert image[0, 0] == pytest.approx([0.75, 0.5, 0.25])


@given(
    st.integers(65, 1_024),
    st.floats(0.1, 1_000),
    st.floats(0, 0.99),
    st.floats(0, 1),
    st.data(),
)
def test_darkness_is_the_share_of_device_hours(
    devices: int, hours: float, begin: float, length: float, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, devices - 1))
    width = data.draw(st.integers(1, devices - first))
    start, end = begin * hours, min(begin + length, 1.0) * hours
    image = mean_colours(
        [bar("r", start, end, first, width)], {"r": BLACK}, devices=devices, hours=hours
    )
    busy = width * (end - start) / (devices * hours)
    # The mean over 30,720 spots of sums of doubles: rounding stays far below this.
    assert float(np.mean(1 - image)) == pytest.approx(busy, abs=1e-9)
