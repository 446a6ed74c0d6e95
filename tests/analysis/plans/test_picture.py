"""A picture's file is the same in every process, holds its text, and has its data beside it."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from analysis.plans.graph import draw_graph
from analysis.plans.grid import draw_grid
from analysis.plans.picture import check_ending, save_picture
from orchestrator.errors import ConfigError
from orchestrator.plan.plan import Plan

SMOKE = Path(__file__).parents[3] / "sweeps" / "smoke.yaml"
RENDER = f"""
import sys
from dataclasses import dataclass
from pathlib import Path
from analysis.plans.gantt import draw_gantt
from analysis.plans.graph import draw_graph
from analysis.plans.grid import draw_grid
from analysis.plans.picture import save_picture
from orchestrator.plan.graph.dot import dot_text
from orchestrator.plan.graph.fold import fold
from orchestrator.store.plan_csv import plan_csv
from orchestrator.store.study_plan import load_plan

@dataclass(frozen=True)
class Placed:
    run_id: str
    start_hours: float
    end_hours: float
    devices: int
    pool: str = "here"

out = Path(sys.argv[1])
plan = load_plan(Path({str(SMOKE)!r}), results=out)
placed = [Placed(run.run_id, i, i + 1.5, 1) for i, run in enumerate(plan.runs)]
wide = [Placed(run.run_id, i, i + 1.5, 70) for i, run in enumerate(plan.runs)]
critical = [run.run_id for run in plan.runs[::3]]
for ending in ("svg", "png"):
    save_picture(draw_graph(plan), out / f"graph.{{ending}}")
    save_picture(draw_grid(plan), out / f"grid.{{ending}}")
    save_picture(draw_gantt(plan, placed, critical_path=critical), out / f"gantt.{{ending}}")
    save_picture(draw_gantt(plan, wide, critical_path=critical), out / f"wide.{{ending}}")
(out / "graph.dot").write_text(dot_text(fold(plan.study, plan.runs, 20)))
(out / "plan.csv").write_text(plan_csv(plan))
"""


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    written: list[dict[str, bytes]] = []
    for hash_seed in ("1", "2"):
        folder = tmp_path / hash_seed
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", RENDER, str(folder)], check=True, env=environment)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert len(written[0]) == 2 * 2 * 4 + 2  # pictures with data, DOT, CSV
    assert written[0] == written[1]


def test_an_svg_is_well_formed_and_its_text_can_be_searched(demo: Plan, tmp_path: Path) -> None:
    picture = draw_graph(demo)
    path, _ = save_picture(picture, tmp_path / "a folder" / "graph.svg")
    root = ElementTree.parse(path).getroot()
    words = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {row[2] for row in picture.rows} <= words
    assert f"demo: {len(demo.runs)} runs in {len(picture.rows)} nodes" in words
    assert not list(root.iter("{http://purl.org/dc/elements/1.1/}date"))


def test_the_data_lies_beside_the_picture(demo: Plan, tmp_path: Path) -> None:
    picture = draw_grid(demo)
    path, data = save_picture(picture, tmp_path / "grid.PNG")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert data == tmp_path / "grid.PNG.csv"
    with data.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == picture.columns
    assert rows == [[str(value) for value in row] for row in picture.rows]


@pytest.mark.parametrize("name", ["graph.gif", "graph", "graph.svg.gz"])
def test_an_ending_that_is_no_picture_is_refused_before_anything_is_written(
    demo: Plan, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        save_picture(draw_grid(demo), tmp_path / name)
    assert caught.value.where == str(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_command_may_allow_further_endings() -> None:
    check_ending(Path("graph.dot"), (".dot", ".svg"))
    with pytest.raises(ConfigError, match=r"end the file's name in \.dot or \.svg"):
        check_ending(Path("graph.png"), (".dot", ".svg"))
