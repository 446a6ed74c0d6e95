"""Figures of the paper's study hold the numbers of its arms, with the paper's own beside them."""

from types import ModuleType

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from analysis.figures import appendix_g, figure_4, figure_7, figure_8, figure_9
from analysis.figures.drawn import Drawn
from analysis.study import StudyResults, open_study
from orchestrator.store.layout import StudyFolder


@pytest.fixture(scope="module")
def study(paper_folder: StudyFolder) -> StudyResults:
    return open_study(paper_folder)


@pytest.fixture(scope="module")
def results(paper_folder: StudyFolder) -> pd.DataFrame:
    return pd.read_csv(paper_folder.tables / "results.csv", low_memory=False)


def labels(drawn: Drawn) -> list[str]:
    """Return the words of the figure's legend."""
    return [text.get_text() for legend in drawn.figure.legends for text in legend.get_texts()]


def test_instruction_shares_are_drawn_with_the_scores_of_their_models(
    study: StudyResults, results: pd.DataFrame
) -> None:
    data = figure_7.draw(study).data
    means = data[(data["kind"] == "mean") & (data["suite"] == "vision")]
    assert sorted(means["instruction_ratio"].unique()) == [0, 0.5, 1]
    assert set(means["model"]) == {"79m", "1.4b"}
    row = means[
        (means["model"] == "1.4b")
        & (means["instruction_ratio"] == 0.5)
        & (means["benchmark"] == "average")
    ].iloc[0]
    own = results[(results["run_id"] == row["run_ids"]) & (results["metric"] == "stable_score")]
    assert own["instruction_ratio"].tolist() == [0.5]
    assert row["value"] == pytest.approx(own["value"].item())
    error = own["stderr"].item()
    assert row["high"] - row["value"] == pytest.approx(1.6449 * error, rel=1e-4)


def test_a_trunks_budget_is_the_axis_of_appendix_g(study: StudyResults) -> None:
    drawn = appendix_g.draw(study)
    assert drawn.data["text_tokens"].nunique() == 3
    assert drawn.figure.axes[0].get_xscale() == "log"
    assert labels(drawn) == ["from 80 %", "from 100 %"]


def test_many_settings_of_one_model_have_rows_of_panels(study: StudyResults) -> None:
    drawn = figure_8.draw(study)
    assert labels(drawn)[:4] == ["from 20 %", "from 40 %", "from 60 %", "from 80 %"]
    facets = ["images 1 %", "images 5 %", "images 10 %"]
    assert list(dict.fromkeys(drawn.data["facet"])) == facets


def test_the_papers_seeds_stand_at_their_own_ratio_and_are_marked(study: StudyResults) -> None:
    data = figure_8.draw(study).data
    published = data[data["kind"] == "published"]
    here = published[(published["facet"] == "images 5 %") & (published["epochs"] == 1)]
    assert sorted(here["value"]) == pytest.approx([0.7536, 0.7539])
    assert set(published["line"]) == {"published (table 7, 1.4B)"}
    assert published["run_ids"].isna().all()
    assert published["source"].str.contains("2503.07603").all()
    ours = data[data["kind"] != "published"]
    assert ours["source"].isna().all()
    assert ours["run_ids"].notna().all()


def test_no_published_value_stands_beside_another_rule(study: StudyResults) -> None:
    data = figure_4.draw(study).data
    facets = set(data.loc[data["kind"] == "published", "facet"])
    assert "review_equal_peak" not in facets


def test_blind_scores_are_lines_of_their_own(study: StudyResults, results: pd.DataFrame) -> None:
    drawn = figure_4.draw(study)
    blind = drawn.data[(drawn.data["suite"] == "vision_blind") & (drawn.data["kind"] == "mean")]
    average = blind[blind["benchmark"] == "average"]
    assert set(average["model"]) == {"1.4b"}
    assert "without the image" in labels(drawn)
    row = average.iloc[0]
    own = results[(results["run_id"] == row["run_ids"]) & (results["metric"] == "stable_score")]
    assert (own["suite"].item(), own["value"].item()) == ("vision_blind", row["value"])


def test_text_benchmarks_stand_beside_the_finished_trunk(
    study: StudyResults, results: pd.DataFrame
) -> None:
    drawn = figure_9.draw(study)
    data = drawn.data
    assert list(dict.fromkeys(data["panel"])) == ["arc_easy", "piqa", "all of them"]
    completion = data[(data["kind"] == "completion") & (data["panel"] == "piqa")]
    assert set(completion["model"]) == {"79m", "1.4b"}
    own = results[
        (results["benchmark"] == "piqa")
        & results["image_ratio"].isna()
        & (results["cooldown_point"] == 1)
        & (results["model"] == "79m")
    ]
    value = completion.loc[completion["model"] == "79m", "value"].item()
    assert value == pytest.approx(own["value"].item())
    seen = data[(data["kind"] == "mean") & (data["line"] == "")]
    assert {results.loc[results["run_id"] == run, "epochs"].iloc[0] for run in seen["run_ids"]} == {
        2
    }
    assert sorted(seen["cooldown_point"].unique()) == [0, 0.8, 1]


@pytest.mark.parametrize("module", [figure_4, figure_8, figure_9])
def test_panels_and_legend_lie_inside_the_figure_and_apart(
    study: StudyResults, module: ModuleType
) -> None:
    figure = module.draw(study).figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    width, height = canvas.get_width_height()
    legend = figure.legends[0].get_window_extent(renderer)
    panels = [axes.get_tightbbox(renderer) for axes in figure.axes if axes.get_visible()]
    for box in (legend, *panels):
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1
    assert not any(legend.overlaps(panel) for panel in panels)
    first, *others = panels
    assert not any(first.overlaps(other) for other in others)
