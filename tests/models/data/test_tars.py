"""Tar files of samples: written the same way twice, read back whole, refused when damaged."""

import subprocess
import tarfile
from pathlib import Path

import pytest
from webdataset.writer import TarWriter

from models.data.tars import Sample, member_places, read_samples, tar_files, write_samples
from orchestrator.errors import DataError

SAMPLES = [
    Sample(f"{number:04d}", {"png": bytes([number]) * 700, "txt": b"a caption"})
    for number in range(30)
]


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    path = tmp_path / "a shard's.tar"
    write_samples(path, SAMPLES)
    return path


def test_samples_come_back_as_they_were_written(tar: Path) -> None:
    assert list(read_samples(tar)) == SAMPLES


def test_a_tar_file_made_by_tar_itself_is_read(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("[1]")
    (tmp_path / "b.TXT").write_text("words")
    command = ["tar", "-cf", "made.tar", "b.json", "b.TXT"]
    subprocess.run(command, cwd=tmp_path, check=True)
    expected = [Sample("b", {"json": b"[1]", "txt": b"words"})]
    assert list(read_samples(tmp_path / "made.tar")) == expected


def test_the_bytes_are_those_that_webdataset_writes(tmp_path: Path) -> None:
    samples = [*SAMPLES, Sample("ä/" + "long" * 40, {"txt": b"", "json.gz": b"x" * 1500})]
    write_samples(tmp_path / "ours.tar", samples)
    with (tmp_path / "theirs.tar").open("wb") as stream:
        writer = TarWriter(stream, encoder=False, mtime=0)
        for sample in samples:
            writer.write({"__key__": sample.key, **sample.fields})
        writer.close()
    assert (tmp_path / "ours.tar").read_bytes() == (tmp_path / "theirs.tar").read_bytes()
    assert list(read_samples(tmp_path / "ours.tar")) == samples


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    samples = [Sample(key, {"png": b"x"}) for key in ("a", "b", "a")]
    write_samples(tmp_path / "twice.tar", samples)
    with pytest.raises(DataError, match=r"it holds a\.png twice") as caught:
        member_places(tmp_path / "twice.tar")
    assert caught.value.where == str(tmp_path / "twice.tar")


def test_equal_samples_give_equal_bytes(tar: Path, tmp_path: Path) -> None:
    assert write_samples(tmp_path / "again.tar", iter(SAMPLES)) == len(SAMPLES)
    assert (tmp_path / "again.tar").read_bytes() == tar.read_bytes()


def test_places_point_at_the_members_bytes(tar: Path) -> None:
    content = tar.read_bytes()
    places = member_places(tar)
    offset, size = places["0007.png"]
    assert content[offset : offset + size] == SAMPLES[7].fields["png"]
    assert len(places) == 2 * len(SAMPLES)


def ends_of_members(tar: Path) -> list[int]:
    with tarfile.open(tar) as opened:
        return [member.offset_data + -(-member.size // 512) * 512 for member in opened]


@pytest.mark.parametrize("cut", ["between members", "in a header", "in a member", "to nothing"])
def test_a_tar_file_that_is_cut_off_is_refused(tar: Path, cut: str) -> None:
    end = ends_of_members(tar)[20]
    keep = {"between members": end, "in a header": end + 100, "in a member": end - 600}
    tar.write_bytes(tar.read_bytes()[: keep.get(cut, 0)])
    for read in (read_samples, member_places):
        with pytest.raises(DataError) as caught:
            list(read(tar))
        assert caught.value.where == str(tar)


def test_what_is_no_tar_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"no tar file" * 1000)
    with pytest.raises(DataError):
        list(read_samples(path))


def test_a_missing_tar_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing"):
        list(read_samples(tmp_path / "a.tar"))


def test_a_member_that_comes_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.tar"
    with tarfile.open(path, "w") as opened:
        for _ in range(2):
            opened.addfile(tarfile.TarInfo("a.txt"))
    with pytest.raises(DataError, match="duplicate"):
        list(read_samples(path))


def test_files_are_listed_by_name_and_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        tar_files(tmp_path)
    for name in ("b.tar", "a.tar", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in tar_files(tmp_path)] == ["a.tar", "b.tar"]
