"""Profiles on disk: found by name or path, read whole, refused with their place."""

from pathlib import Path

import pytest

from orchestrator.errors import ConfigError
from orchestrator.plan.cost.count import total_params, training_flops
from orchestrator.plan.cost.throughput import profile_throughput
from orchestrator.spec.presets import PRESETS
from orchestrator.spec.profile import Partition
from orchestrator.store.profile_file import PROFILES, load_profile

ROOT = Path(__file__).parents[3]
TEXT = """
profile: mine
about: a test
gpu: {name: A100, memory_gib: 80, peak_teraflops: 312}
gpus_per_node: 8
partitions: [{name: gpu, nodes: 2, max_hours: 24}]
assumed_mfu: 30%
calibration: [{model: open_lm_79m, tokens: 237B, gpu_hours: 1_200, source: test}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with one profile, and a space in its name."""
    folder = tmp_path / "a folder"
    (folder / "slurm" / "profiles").mkdir(parents=True)
    (folder / "slurm" / "profiles" / "mine.yaml").write_text(TEXT)
    return folder


def test_a_name_and_its_path_are_the_same_profile(folder: Path) -> None:
    by_name = load_profile("mine", folder)
    assert by_name == load_profile("slurm/profiles/mine.yaml", folder)
    assert by_name == load_profile(str(folder / "slurm" / "profiles" / "mine.yaml"))
    assert by_name.partitions == (Partition(name="gpu", nodes=2, max_hours=24),)
    assert (by_name.assumed_mfu, by_name.calibration[0].tokens) == (0.3, 237_000_000_000)


def test_a_path_may_have_another_suffix_and_folder(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "cluster.yml").write_text(TEXT)
    assert load_profile("mine/cluster.yml", folder).profile == "mine"


@pytest.mark.parametrize("name", ["other", "other.yaml", "slurm/profiles/other.yaml"])
def test_a_profile_that_is_not_there_is_refused_with_those_that_are(
    folder: Path, name: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_profile(name, folder)
    assert name in caught.value.what
    assert "mine" in caught.value.mend.rpartition(": ")[2].split(", ")
    assert caught.value.where.startswith(str(folder))


def test_the_projects_own_profiles_are_found_from_anywhere(tmp_path: Path, folder: Path) -> None:
    assert load_profile("a100", tmp_path).profile == "a100"
    (folder / PROFILES / "a100.yaml").write_text(TEXT)  # one of the same name comes first
    assert load_profile("a100", folder).profile == "mine"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("gpus_per_node", "gpus_per_box", "gpus_per_box"),
        ("memory_gib: 80", "memory: 80", "gpu.memory"),
        ("nodes: 2", "nodes: -2", "partitions[0].nodes"),
        ("237B", "237.5 tokens", "calibration[0].tokens"),
        ("30%", "30", "assumed_mfu"),
        ("about: a test", "", "about"),
    ],
)
def test_a_key_that_does_not_hold_is_refused_with_file_and_place(
    folder: Path, old: str, new: str, key: str
) -> None:
    path = folder / "slurm" / "profiles" / "mine.yaml"
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_profile("mine", folder)
    assert caught.value.where == f"{path}: {key}"


@pytest.mark.parametrize("content", [b"profile: [", b"\xff\xfe", b"- a\n- b\n", b"", b"word"])
def test_a_file_that_is_no_profile_is_refused_with_its_name(folder: Path, content: bytes) -> None:
    path = folder / "slurm" / "profiles" / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_profile("mine", folder)
    assert caught.value.where.startswith(str(path))


@pytest.mark.parametrize("path", sorted((ROOT / "slurm" / "profiles").glob("*.yaml")))
def test_every_profile_of_ours_holds_and_is_called_as_its_file(path: Path) -> None:
    profile = load_profile(str(path))
    assert profile.profile == path.stem
    assert profile_throughput(profile).at(10**9) < profile.gpu.peak_teraflops * 1e12


def test_there_are_profiles_of_ours() -> None:
    assert {"a100", "h100"} <= {path.stem for path in (ROOT / "slurm/profiles").glob("*.yaml")}


def hours(model: str, tokens: int) -> float:
    """Plan a budget by hand, from the profile's speed."""
    speeds = profile_throughput(load_profile("a100", ROOT))
    flops = training_flops(PRESETS[model], tokens)
    return flops / speeds.at(total_params(PRESETS[model])) / 3600


def test_the_a100_profile_gives_the_published_hours() -> None:
    # Keh et al. 2025, table 2: 1.2k and 106k A100 hours.
    assert hours("open_lm_79m", 237 * 10**9) == pytest.approx(1_200, rel=0.1)
    assert hours("open_lm_1b", 4_300 * 10**9) == pytest.approx(106_000, rel=0.1)
