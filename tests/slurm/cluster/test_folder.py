"""Where a cluster may lie, and what is refused before anything is written."""

from pathlib import Path

import pytest

from orchestrator.errors import ConfigError, LaunchError
from slurm.cluster.config import Accounting, ClusterConfig
from slurm.cluster.files import check_ours, clear, database_password, write_files
from slurm.cluster.folder import ClusterFolder, cluster_folder
from slurm.cluster.lock import locked
from slurm.cluster.record import ClusterRecord, write_record
from slurm.cluster.site import Site

SITE = Site(host="desk", user="ada", version=(22, 5))
CONFIG = ClusterConfig(port=17_000, accounting=Accounting.DATABASE)


@pytest.mark.parametrize("name", ["two words", "a'b", "a,b", "a[1]", "100%", "größe", "a#b"])
def test_a_path_that_slurms_files_cannot_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        cluster_folder(tmp_path / name)
    assert caught.value.where == "--dir"
    assert not (tmp_path / name).exists()


def test_a_path_too_long_for_its_sockets_is_refused() -> None:
    assert cluster_folder(Path("/" + "a" * 69)).path == Path("/" + "a" * 69)
    with pytest.raises(ConfigError) as caught:
        cluster_folder(Path("/" + "a" * 70))
    assert "71 bytes" in caught.value.what


def test_the_usual_place_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cluster_folder(None).path == Path("/somewhere/sweep/cluster")


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    (tmp_path / "state").mkdir()
    with pytest.raises(LaunchError) as caught:
        check_ours(ClusterFolder(path=tmp_path))
    assert "thesis.tex" in caught.value.what


def test_a_stopped_clusters_folder_may_be_used_again_and_begins_anew(tmp_path: Path) -> None:
    folder = ClusterFolder(path=tmp_path)
    write_record(folder, ClusterRecord(config=CONFIG, host="desk"))
    write_files(CONFIG, folder, SITE)
    (folder.state / "job_state").write_text("old")
    (tmp_path / "notes.txt").write_text("a user's own")
    check_ours(folder)
    clear(folder)
    write_files(CONFIG, folder, SITE)
    assert not (folder.state / "job_state").exists()
    assert (tmp_path / "notes.txt").read_text() == "a user's own"


def test_secrets_are_for_the_owner_alone_and_differ_between_clusters(tmp_path: Path) -> None:
    passwords: set[str] = set()
    keys: set[bytes] = set()
    for name in ("a", "b"):
        folder = ClusterFolder(path=tmp_path / name)
        folder.path.mkdir()
        write_files(CONFIG, folder, SITE)
        secret_files = (folder.etc / "slurmdbd.conf", folder.munge / "munge.key")
        assert [path.stat().st_mode & 0o777 for path in secret_files] == [0o600, 0o600]
        assert folder.path.stat().st_mode & 0o777 == 0o700
        passwords.add(database_password(folder))
        keys.add(secret_files[1].read_bytes())
    assert len(passwords) == len(keys) == 2


def test_fake_gpus_are_character_devices(tmp_path: Path) -> None:
    folder = ClusterFolder(path=tmp_path)
    write_files(CONFIG, folder, SITE)
    assert [path.name for path in sorted(folder.devices.iterdir())] == ["gpu0", "gpu1"]
    assert all(path.is_char_device() for path in folder.devices.iterdir())


def test_a_second_command_is_refused_while_one_works(tmp_path: Path) -> None:
    folder = ClusterFolder(path=tmp_path / "box")
    with locked(folder), pytest.raises(LaunchError) as caught, locked(folder):
        pass
    assert "another command" in caught.value.what
    with locked(folder):  # and it is free again
        pass


def test_a_folder_that_cannot_be_made_is_refused_kindly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LaunchError) as caught, locked(ClusterFolder(path=tmp_path / "file/box")):
        pass
    assert "--dir" in caught.value.mend
