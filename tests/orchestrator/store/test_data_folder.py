"""Data is made once, where the plan will look for it; what cannot be had is named."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError, DataError
from orchestrator.plan.plan import Plan
from orchestrator.store.data_folder import ensure_made, is_made, source_folder
from orchestrator.store.study_plan import load_plan

SMOKE = Path(__file__).parents[3] / "sweeps" / "smoke.yaml"


def ignore(line: str) -> None:
    del line


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """The smoke study, with a recipe of this test's own."""
    planned = load_plan(SMOKE, results=tmp_path)
    package = tmp_path / "own_recipe.py"
    package.write_text(
        "def make(options, folder, report):\n"
        "    report('working')\n"
        "    folder.mkdir(parents=True)\n"
        "    (folder / 'dataset.json').write_text(str(sorted(options)))\n"
    )
    made = replace(planned.made[0], recipe="own_recipe:make")
    return replace(planned, made=(made,))


def test_data_is_made_once(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    lines: list[str] = []
    assert not is_made(tmp_path, plan.made[0])
    [folder] = ensure_made(plan, tmp_path, lines.append)
    assert folder == source_folder(tmp_path, plan.sources[0]).parent
    assert "working" in lines
    assert is_made(tmp_path, plan.made[0])
    assert ensure_made(plan, tmp_path, lines.append) == ()


@pytest.mark.parametrize("recipe", ["nowhere:make", "own_recipe:mkae", "no colon"])
def test_a_recipe_that_does_not_exist_is_named(recipe: str, plan: Plan, tmp_path: Path) -> None:
    broken = replace(plan, made=(replace(plan.made[0], recipe=recipe),))
    with pytest.raises(ConfigError) as caught:
        ensure_made(broken, tmp_path, ignore)
    assert recipe in caught.value.what
    assert caught.value.where == "data.shapeworld.recipe"


def test_a_recipes_wrong_option_is_refused_with_its_place(tmp_path: Path) -> None:
    plan = load_plan(SMOKE, ("data.shapeworld.entites=5",), tmp_path)
    with pytest.raises(ConfigError) as caught:
        ensure_made(plan, tmp_path, ignore)
    assert caught.value.where == "data.shapeworld: entites"


def test_published_data_that_is_not_there_is_asked_for(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        ensure_made(replace(plan, made=()), tmp_path, ignore)
    assert caught.value.where == str(source_folder(tmp_path, plan.sources[0]))
