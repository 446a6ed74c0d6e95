"""Node names as Slurm abbreviates them."""

import pytest

from orchestrator.launch.slurm.hosts import host_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n1", ("n1",)),
        ("n[1-3,07],login", ("n1", "n2", "n3", "n07", "login")),
        ("rack[1-2]-n[08-09]", ("rack1-n08", "rack1-n09", "rack2-n08", "rack2-n09")),
        ("", ()),
    ],
)
def test_lists_are_written_out(text: str, names: tuple[str, ...]) -> None:
    assert host_names(text) == names
