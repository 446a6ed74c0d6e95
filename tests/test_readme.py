"""What the README says is there is there: links, files, commands and the study it quotes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"^make (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_commands_of_the_example_are_those_of_the_end_to_end_test() -> None:
    block = re.search(r"## A sweep on a laptop\n\n```sh\n(.*?)```", README, re.DOTALL)
    assert block is not None
    named = re.findall(r"^sweep (\w+) sweeps/smoke.yaml", block[1], re.MULTILINE)
    assert named == ["plan", "launch", "results", "report"]
    tested = (ROOT / "tests" / "test_end_to_end.py").read_text()
    assert all(f'"{command}"' in tested for command in named)


def test_every_command_in_the_table_exists_and_has_the_options_named() -> None:
    rows = re.findall(r"^\| `sweep ([a-z ]+?)(?: STUDY.*?)?` \| (.*) \|$", README, re.MULTILINE)
    assert len(rows) >= 9
    for command, does in rows:
        shown = subprocess.run(
            [sys.executable, "-m", "orchestrator.cli.main", *command.split(), "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={"COLUMNS": "200"},
        )
        assert shown.returncode == 0, command
        for option in re.findall(r"`(-{1,2}[a-z-]+)`", does):
            assert option in shown.stdout, f"{command} {option}"


def test_the_arm_it_quotes_is_the_demos() -> None:
    block = re.search(r"```yaml\n(arms:.*?)```", README, re.DOTALL)
    assert block is not None
    quoted = cast(dict[str, Any], yaml.safe_load(block[1]))["arms"]
    demo = cast(dict[str, Any], yaml.safe_load((ROOT / "sweeps/demo.yaml").read_text()))["arms"]
    assert quoted == {name: demo[name] for name in quoted}


def test_the_map_names_folders_that_exist() -> None:
    section = README.split("## Map of the code")[1].split("\n## ")[0]
    for folder in re.findall(r"`([a-z_/]+)`", section):
        assert (ROOT / folder).is_dir(), folder


def _planning_commands() -> list[str]:
    block = re.search(r"## Planning\n\n```sh\n(.*?)```", README, re.DOTALL)
    assert block is not None
    return [line.split("#")[0].strip() for line in block[1].splitlines()]


@pytest.mark.parametrize("command", _planning_commands())
def test_every_command_on_planning_does_what_it_says(command: str, tmp_path: Path) -> None:
    words = command.split()
    run_id = "0000"
    if words[1] == "why":
        listed = subprocess.run(
            [sys.executable, "-m", "orchestrator.cli.main", "plan", words[2], "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        run_id = str(json.loads(listed.stdout.splitlines()[-1])["run_id"])
    pictures = [word for word in words if word.endswith((".svg", ".png"))]
    places = {"RUN": run_id, **{name: str(tmp_path / name) for name in pictures}}
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", *(places.get(w, w) for w in words[1:])],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert all((tmp_path / name).exists() for name in pictures)
