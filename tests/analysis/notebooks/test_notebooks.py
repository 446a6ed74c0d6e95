"""Both notebooks run from top to bottom in a real kernel, and show what they promise."""

import base64
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from orchestrator.store.layout import StudyFolder

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOKS = ROOT / "analysis" / "notebooks"
EXPECTED = ROOT / "tests" / "analysis" / "data"
SECONDS = 120
"""Longest time for one cell; on a busy machine a cell takes a few."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Any]:
    """Return a function that runs a notebook and gives it back with its outputs."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def execute(name: str) -> Any:
        notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        client = NotebookClient(
            notebook, timeout=SECONDS, resources={"metadata": {"path": str(tmp_path)}}
        )
        return client.execute()

    return execute


def outputs(notebook: Any, kind: str) -> list[str]:
    """Return everything of a MIME type that cells show, in order."""
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return ["".join(o.data[kind]) for o in shown if "data" in o and kind in o.data]


def printed(notebook: Any, stream: str) -> str:
    """Return what cells print."""
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(o.text for o in shown if o.output_type == "stream" and o.name == stream)


def pictures(notebook: Any) -> Sequence[Image.Image]:
    """Return the figures, decoded."""
    found = [Image.open(io.BytesIO(base64.b64decode(p))) for p in outputs(notebook, "image/png")]
    for picture in found:
        picture.load()
    return found


@pytest.mark.parametrize("name", ["chinchilla", "study"])
def test_a_notebook_is_kept_without_outputs(name: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
def test_the_chinchilla_notebook_finds_the_published_fit(run: Callable[[str], Any]) -> None:
    notebook = run("chinchilla")
    assert printed(notebook, "stderr") == ""
    expected = json.loads((EXPECTED / "chinchilla_expected.json").read_text())
    shown = "".join(outputs(notebook, "text/html"))
    optimum = expected["optimum_huber_1e3"]
    for name in ("E", "alpha", "beta"):
        assert f"<td>{optimum[name]:.4g}</td>" in shown  # our fit shows itself
        assert f"<td>{optimum[name]:.4f}</td>" in shown  # beside the published ones
    row = re.findall(r"<th>beta</th>(.*?)</tr>", shown, flags=re.DOTALL)[-1]
    within_besiroglu, within_hoffmann = re.findall(r"<td>(True|False)</td>", row)
    assert within_besiroglu == "True"
    assert within_hoffmann == "False"
    assert min(picture.width for picture in pictures(notebook)) > 600
    assert "4 points for the 5 parameters" in printed(notebook, "stdout")


@pytest.mark.slow
def test_the_study_notebook_shows_a_finished_study(
    run: Callable[[str], Any],
    build_study: Callable[..., StudyFolder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = build_study()
    monkeypatch.setenv("SWEEP_STUDY", str(folder.path))
    notebook = run("study")
    assert printed(notebook, "stderr") == ""
    shown = "".join(outputs(notebook, "text/html"))
    assert "A synthetic study &lt;with&gt; known laws." in shown
    assert "<strong>Chinchilla</strong>" in shown
    assert "<strong>power law</strong>" in shown
    feeds = json.loads(folder.plan_json.read_text())["feeds"]
    assert len(pictures(notebook)) == len(feeds)
    assert "not drawn" not in printed(notebook, "stdout")
    assert "cooldown point 80 % minus 100 %" in shown


def test_the_study_notebook_says_where_it_looked_for_a_study(
    run: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from nbclient.exceptions import CellExecutionError

    monkeypatch.setenv("SWEEP_STUDY", str(tmp_path / "nowhere"))
    with pytest.raises(CellExecutionError, match=r"nowhere/plan\.json"):
        run("study")
