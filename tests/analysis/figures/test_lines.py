"""Lines are told apart by what really differs, and no panel holds more than can be followed."""

from itertools import product

import pandas as pd

from analysis.figures.lines import MOST_LINES, channels_of, line_axes

AXES = ("text_tokens", "cooldown_point", "image_ratio", "learning_rate_rule", "epochs")


def rows(**axes: list[float]) -> pd.DataFrame:
    """Return a grid of models, `small` and `large` unless a model is given."""
    models = {"model": ["small", "large"], **axes}
    grid = [dict(zip(models, point, strict=True)) for point in product(*models.values())]
    frame = pd.DataFrame(grid).assign(facet="")
    tokens = {"small": 1e6, "large": 1e9}
    return frame.assign(text_tokens=frame["model"].map(tokens))


def test_what_follows_from_the_model_tells_no_lines_apart() -> None:
    frame = rows(cooldown_point=[0, 0.8, 1], epochs=[1, 2])
    assert line_axes(frame, AXES, ["cooldown_point"]) == ["epochs"]


def test_what_changes_along_the_axis_stays_on_its_line() -> None:
    frame = rows(cooldown_point=[0, 0.8, 1])
    rule = frame["cooldown_point"].map({0: "inherited", 0.8: "inherited", 1: "rewarmed"})
    assert line_axes(frame.assign(learning_rate_rule=rule), AXES, ["cooldown_point"]) == []


def test_of_two_axes_that_move_together_one_is_named() -> None:
    frame = rows(epochs=[1, 2], cooldown_point=[0.8, 1])
    rule = frame["cooldown_point"].map({0.8: "inherited", 1: "rewarmed"})
    frame = frame.assign(learning_rate_rule=rule)
    assert line_axes(frame, AXES, ["epochs"]) == ["cooldown_point"]


def test_few_lines_share_a_panel() -> None:
    channels = channels_of(rows(image_ratio=[0, 0.1], epochs=[1, 2, 3, 4]), AXES, ["image_ratio"])
    assert (channels.colour, channels.dash, channels.row) == ("model", ("epochs",), ())


def test_many_lines_are_spread_over_rows_of_panels() -> None:
    frame = rows(cooldown_point=[0.2, 0.4, 0.6, 0.8], image_ratio=[0, 0.1, 0.2, 0.3], epochs=[1, 2])
    channels = channels_of(frame, AXES, ["epochs"])
    assert channels.row == ("image_ratio",)
    lines = frame[[channels.colour, *channels.dash]].drop_duplicates()
    assert len(lines) <= MOST_LINES
    one = channels_of(frame[frame["model"] == "small"], AXES, ["epochs"])
    assert (one.colour, one.dash, one.row) == ("cooldown_point", (), ("image_ratio",))
