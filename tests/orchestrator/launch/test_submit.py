"""An attempt is told where its data lie, published weights among them where they are at hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.launch.config import LaunchConfig
from orchestrator.launch.submit import _data
from orchestrator.spec.execution import Execution
from orchestrator.spec.run import ImageTextPretrain, TextPretrain
from orchestrator.spec.weights import weights_source
from orchestrator.store.data_folder import source_folder
from orchestrator.store.study_plan import load_plan

PAPER = Path(__file__).parents[3] / "sweeps" / "paper.yaml"
SIGLIP = weights_source("google/siglip-so400m-patch14-384")


@pytest.fixture(scope="module")
def branch() -> ImageTextPretrain:
    configs = [run.config for run in load_plan(PAPER).runs]
    return next(config for config in configs if isinstance(config, ImageTextPretrain))


def names(config: LaunchConfig, run: ImageTextPretrain | TextPretrain) -> set[str]:
    return {folder.name for folder in _data(config, run)}


def test_weights_in_the_data_root_are_named_and_others_are_the_hubs(
    branch: ImageTextPretrain, tmp_path: Path
) -> None:
    config = LaunchConfig(data_root=tmp_path, execution=Execution())
    usual = {"dclm/text", "dclm/text_val", "datacomp_dr/captions", "datacomp_dr/captions_val"}
    assert names(config, branch) == usual
    source_folder(tmp_path, SIGLIP).mkdir(parents=True)
    assert names(config, branch) == {*usual, SIGLIP.name}


def test_a_source_that_is_read_twice_is_named_once(
    branch: ImageTextPretrain, tmp_path: Path
) -> None:
    config = LaunchConfig(data_root=tmp_path, execution=Execution())
    twice = replace(branch, val_captions=branch.captions)
    listed = [folder.name for folder in _data(config, twice)]
    assert len(listed) == len(set(listed))
