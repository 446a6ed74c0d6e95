"""What an attempt is told: where data and published weights lie, and what its device can do."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.launch.config import LaunchConfig
from orchestrator.launch.slurm.cluster import Cluster
from orchestrator.launch.slurm.handing import Wanted, _intent
from orchestrator.launch.submit import _data
from orchestrator.spec.execution import Device, Execution
from orchestrator.spec.run import ImageTextPretrain, Stage, TextPretrain
from orchestrator.spec.slurm_site import SlurmSite
from orchestrator.spec.weights import weights_source
from orchestrator.store.data_folder import source_folder
from orchestrator.store.layout import StudyFolder
from orchestrator.store.profile_file import load_profile
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


@pytest.mark.parametrize("device", list(Device))
def test_a_job_knows_the_flop_of_a_step_and_the_peak_of_its_device(
    tmp_path: Path, device: Device
) -> None:
    profile = load_profile("a100")
    run = next(run for run in load_plan(PAPER).runs if run.stage is Stage.TEXT_PRETRAIN)
    cluster = Cluster(
        study="paper",
        folder=StudyFolder(tmp_path),
        profile=profile,
        site=SlurmSite(),
        scheduler=cast(Any, None),
        config=LaunchConfig(data_root=tmp_path, execution=Execution(device=device)),
        python="python",
        code=None,
    )
    want = Wanted(run=run, newest=0, step=None)
    intent = _intent(cluster, want, "token", 3, datetime(2026, 1, 1, tzinfo=UTC), 1)
    assert intent.step_flops == pytest.approx(run.cost.flops / run.cost.steps)
    assert intent.peak_teraflops == (312 if device is Device.CUDA else None)
