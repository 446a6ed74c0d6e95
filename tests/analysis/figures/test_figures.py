"""Figures hold the numbers of their arms, name what is missing, and are saved with their data."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.figures import controls, figure_3, figure_4, figure_5, figure_8, scaling
from analysis.figures.all import draw_study
from analysis.figures.drawn import Drawn, NotDrawn
from analysis.figures.save import save, save_each
from analysis.fits.losses import trunk_losses
from analysis.study import StudyResults, open_study
from orchestrator.store.layout import StudyFolder

Build = Callable[..., StudyFolder]
TITLE = "Vision (timing: inherited)"
LACKING = "small, at 80%, images 10%, inherited, 2 epochs, vision, seed 0"


@pytest.fixture(scope="module")
def study(study_folder: StudyFolder) -> StudyResults:
    return open_study(study_folder)


@pytest.fixture(scope="module")
def lacking(build_study: Build) -> StudyFolder:
    """One evaluation of one model was never run; one seed only."""
    return build_study(models=("small",), seeds=(0,), arms=("timing",), not_run=(LACKING,))


def test_means_over_seeds_are_those_of_the_table(study: StudyResults) -> None:
    data = figure_5.draw(study).data
    row = data[
        (data["kind"] == "mean")
        & (data["suite"] == "vision")
        & (data["model"] == "middle")
        & (data["image_ratio"] == 0.2)
    ].iloc[0]
    table = study.table.arm_rows("ratio_after_text")
    own = table[
        (table["model"] == "middle")
        & (table["image_ratio"] == 0.2)
        & (table["suite"] == "vision")
        & (table["metric"] == "stable_score")
    ]
    assert len(own) == 3
    assert row["value"] == pytest.approx(own["value"].mean())
    assert set(row["run_ids"].split(";")) == set(own["run_id"])
    assert row["interval"] == "t interval over 3 seeds"
    assert row["code"] == "abc1234"


def test_an_arm_that_varies_the_rule_has_a_facet_for_each(study: StudyResults) -> None:
    data = figure_4.draw(study).data
    assert set(data["facet"]) == {"timing: equal_peak", "timing: inherited"}
    assert sorted(data["cooldown_point"].unique()) == [0.0, 0.2, 0.6, 0.8, 1.0]


def test_a_branch_starts_where_it_left_the_trunk(study: StudyResults) -> None:
    data = figure_3.draw(study).data
    trunk = data[(data["line"] == "trunk") & (data["model"] == "small")]
    assert trunk["tokens"].max() == 8_000_000
    branch = data[(data["line"] == "from 60%") & (data["model"] == "small")]
    first = branch["tokens"].min()
    assert 4_800_000 < first <= 4_800_000 + 1_000_000 / 20
    assert {run_id.split("-")[2] for run_id in trunk["run_ids"]} == {"0"}  # the first seed alone


def test_controls_compare_the_three_images_with_chance(study: StudyResults) -> None:
    data = controls.frame(study)
    assert set(data["suite"]) == {"vision", "vision_blind", "vision_permuted"}
    assert "yes_rate" not in set(data["metric"])
    colour = data[(data["benchmark"] == "colour") & (data["model"] == "large")]
    values = colour.set_index("suite")["value"]
    assert values["vision"] - values["vision_blind"] > 0.3
    assert colour["baseline"].tolist() == pytest.approx([0.2, 0.2, 0.2])


def test_controls_show_one_metric_of_each_benchmark_with_its_whole_interval(
    study_folder: StudyFolder, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path / "parts")
    shutil.copytree(study_folder.path, folder.path)
    path = folder.tables / "results.parquet"
    rows = pd.read_parquet(path)
    own = rows[(rows["metric"] == "accuracy") & (rows["benchmark"] == "colour")]
    low = own[own["seed"] == 0].assign(value=0.02)  # two seeds of three lie far above
    others = rows[~rows["run_id"].isin(low["run_id"]) | (rows["benchmark"] != "colour")]
    pd.concat([others, low, own.assign(metric="accuracy_hard", value=0.9)]).to_parquet(path)
    drawn = controls.draw(open_study(folder))
    assert not drawn.data.duplicated(["model", "suite", "benchmark"]).any()
    assert set(drawn.data["metric"]) == {"accuracy", "score"}
    assert drawn.data["low"].min() < 0
    for axes, model in zip(drawn.figure.axes, dict.fromkeys(drawn.data["model"]), strict=True):
        assert axes.get_ylim()[0] < drawn.data.loc[drawn.data["model"] == model, "low"].min()


def test_scaling_shows_every_trunk_loss(study: StudyResults) -> None:
    drawn = scaling.draw(study)
    runs = drawn.data[drawn.data["kind"] == "run"]
    losses = trunk_losses(study)
    assert set(runs["run_ids"]) == set(losses["run_id"])
    assert runs["on_frontier"].any()


def test_lines_of_one_place_stand_side_by_side_and_whole_within_the_axes(
    study: StudyResults,
) -> None:
    drawn = figure_5.draw(study)
    drawn.figure.draw_without_rendering()
    vision = drawn.figure.axes[0]
    first: list[float] = []
    for bars in vision.containers:
        line = bars[0]
        points = line.get_transform().transform(np.asarray(line.get_xydata()))  # pixels
        first.append(float(points[0, 0]))
        places = vision.transData.transform(np.asarray(line.get_xydata()))
        np.testing.assert_allclose(points[:, 1], places[:, 1])  # moved sideways alone
        assert np.abs(points[:, 0] - places[:, 0]).max() < 15
        box = bars[2][0].get_window_extent()
        assert vision.bbox.y0 < box.y0
        assert box.y1 < vision.bbox.y1
    assert len(first) == 3
    assert np.diff(sorted(first)).min() > 2  # the width of a bar


def test_a_missing_cell_is_named_with_its_reason(lacking: StudyFolder) -> None:
    drawn = figure_4.draw(open_study(lacking))
    assert [line.split(" (")[0] for line in drawn.missing] == [LACKING]
    texts = " ".join(text.get_text() for text in drawn.figure.texts)
    assert LACKING in texts
    vision = drawn.data[(drawn.data["suite"] == "vision") & (drawn.data["kind"] == "mean")]
    inherited = vision[vision["facet"].str.contains("inherited")]
    assert 0.8 not in set(inherited["cooldown_point"])  # absent, not zero


def test_a_line_breaks_where_a_planned_point_is_missing(lacking: StudyFolder) -> None:
    drawn = figure_4.draw(open_study(lacking))
    missing = drawn.data[drawn.data["kind"] == "missing"]
    assert missing[["suite", "facet", "cooldown_point"]].values.tolist() == [
        ["vision", "timing: inherited", 0.8]
    ]
    assert missing["value"].isna().all()
    axes = next(a for a in drawn.figure.axes if a.get_title(loc="left") == TITLE)
    heights = np.asarray(axes.containers[0][0].get_ydata(), dtype=np.float64)
    assert np.isnan(heights).tolist() == [False, False, False, True, False]


def test_a_single_seed_has_the_error_of_its_questions(lacking: StudyFolder) -> None:
    drawn = figure_4.draw(open_study(lacking))
    assert set(drawn.data["interval"].dropna()) == {"standard error over questions, one run"}
    assert "questions" in drawn.caption


def test_what_cannot_be_drawn_is_said_and_stops_no_other(lacking: StudyFolder) -> None:
    drawn = {item.name: item for item in draw_study(open_study(lacking))}
    assert set(drawn) == set(open_study(lacking).feeds)
    missing = drawn["figure_6"]
    assert isinstance(missing, NotDrawn)
    assert "ratio_from_scratch" in missing.reason
    assert isinstance(drawn["controls"], Drawn)


def test_a_saved_figure_has_its_numbers_beside_it(lacking: StudyFolder) -> None:
    drawn = controls.draw(open_study(lacking))
    png, pdf, csv = save(drawn, lacking.figures)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert pdf.read_bytes().startswith(b"%PDF")
    frame = pd.read_csv(csv)
    assert {"run_ids", "code", "value", "low", "high"} <= set(frame.columns)
    np.testing.assert_allclose(frame["value"], drawn.data["value"])


def test_figures_written_by_forks_are_those_written_one_by_one(
    study: StudyResults, tmp_path: Path
) -> None:
    def drawn() -> Iterator[Drawn | NotDrawn]:
        yield controls.draw(study)
        yield NotDrawn(name="figure_6", reason="nothing of it has been measured")
        yield from (module.draw(study) for module in (figure_5, figure_8))

    folders = [tmp_path / "one", tmp_path / "many"]
    for folder, processes in zip(folders, (1, 2), strict=True):
        folder.mkdir()
        items = save_each(drawn(), folder, processes)
        assert [item.name for item in items] == ["controls", "figure_6", "figure_5", "figure_8"]
    names = [sorted(path.name for path in folder.iterdir()) for folder in folders]
    assert names[0] == names[1]
    assert len(names[0]) == 9
    for name in names[0]:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_a_figure_that_no_fork_can_write_is_an_error_here(
    study: StudyResults, tmp_path: Path
) -> None:
    (tmp_path / "figures").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="figures"):
        save_each([controls.draw(study)], tmp_path / "figures", processes=2)


def test_trunk_scores_stand_beside_those_of_models_that_see(build_study: Build) -> None:
    folder = build_study(models=("small",), seeds=(0,), arms=("timing",))
    path = folder.tables / "results.parquet"
    rows = pd.read_parquet(path)
    text = rows[(rows["suite"] == "text") & (rows["benchmark"] == "average")].head(2)
    added = text.assign(run_id="text-of-trunk", subject="trunk-small-0-0.8", cooldown_point=0.8)
    pd.concat([rows, added]).to_parquet(path)
    cells = pd.read_csv(folder.tables / "cells.csv")
    place = {"arm": "timing", "run_id": "trunk-small-0-0.8", "stage": "text_pretrain"}
    cell = pd.DataFrame([{**place, "model": "small", "seed": 0, "cooldown_point": 0.8}])
    pd.concat([cells, cell]).to_csv(folder.tables / "cells.csv", index=False)
    data = figure_4.draw(open_study(folder)).data
    trunk = data[data["line"] == "text-only trunk"]
    assert set(trunk["suite"]) == {"text"}
    assert set(trunk["facet"]) == {"timing: equal_peak", "timing: inherited"}


def test_models_without_a_value_of_the_rows_axis_share_a_row_of_panels(build_study: Build) -> None:
    folder = build_study(models=("small",), seeds=(0,), arms=("epochs",))
    for path in (folder.tables / "cells.csv", folder.tables / "results.parquet"):
        is_csv = path.suffix == ".csv"
        frame = pd.read_csv(path) if is_csv else pd.read_parquet(path)
        name = "run_id" if is_csv else "subject"
        kinds = {"keep": (0.2, 0.4, 0.6, 0.8, 1.0), "soup": (None, "uniform")}
        copies = [
            frame.assign(
                **{name: frame[name] + f"-{keep}-{soup}"},
                **({} if is_csv else {"run_id": frame["run_id"] + f"-{keep}-{soup}"}),
                keep=keep,
                soup=soup,
            )
            for keep in kinds["keep"]
            for soup in kinds["soup"]
        ]
        whole = pd.concat(copies)
        whole.to_csv(path, index=False) if is_csv else whole.to_parquet(path)
    data = figure_8.draw(open_study(folder)).data
    assert list(dict.fromkeys(data["facet"])) == ["uniform", "none"]
