"""Tar files of samples, in webdataset's format.

They are read with webdataset. It imports torch, which takes seconds and hundreds of MB that
processes which only write should not need: they write the same bytes without it.

A sample is all members that share a key: `000000000007.png` and `000000000007.txt` are the sample
`000000000007` with the fields `png` and `txt`.
"""

import io
import tarfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import DataError

_END_MARKER = bytes(1024)
"""Two empty blocks end every tar file (POSIX.1-1988, ustar)."""
_READ_ONLY, _OWNER = 0o444, "bigdata"
"""Mode, user and group of members, as webdataset writes them."""
_DAMAGED = "fetch or make this file again; it is cut off or not a tar file"


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a tar file."""

    key: str
    """Path inside the tar file, up to the first dot of the file name."""
    fields: Mapping[str, bytes]
    """Contents by suffix, in lower case: `png`, `txt`, `json`, `json.gz`."""


def tar_files(folder: Path) -> list[Path]:
    """Return the tar files of a folder by name.

    Raises:
        DataError: if there is none.
    """
    files = sorted(folder.glob("*.tar"))
    if not files:
        raise DataError(
            "there is no tar file here", str(folder), "make or fetch the data set, or name another"
        )
    return files


def read_samples(path: Path) -> Iterator[Sample]:
    """Read the samples of one tar file, in order.

    Raises:
        DataError: if the file is missing, cut off or holds a member twice.
    """
    from webdataset.tariterators import group_by_keys, tar_file_expander

    with _whole(path), path.open("rb") as stream:
        files = tar_file_expander([{"url": str(path), "stream": stream}])
        for sample in group_by_keys(files):
            fields = {key: value for key, value in sample.items() if not key.startswith("__")}
            yield Sample(sample["__key__"], fields)


def member_places(path: Path) -> dict[str, tuple[int, int]]:
    """Return where each member's bytes lie in an uncompressed tar file: offset and size.

    Raises:
        DataError: if the file is missing, cut off or compressed, or holds a member twice.
    """
    with _whole(path), tarfile.open(path, "r:") as tar:
        places: dict[str, tuple[int, int]] = {}
        for member in tar:
            if member.isreg():
                if member.name in places:
                    raise ValueError(f"it holds {member.name} twice")
                places[member.name] = (member.offset_data, member.size)
        return places


def write_samples(path: Path, samples: Iterable[Sample]) -> int:
    """Write one tar file and return its number of samples.

    Times, owners and modes are fixed, so that equal samples give equal bytes: those of webdataset's
    `TarWriter`.
    """
    count = 0
    with path.open("wb") as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
        for sample in samples:
            for suffix, content in sorted(sample.fields.items()):
                member = tarfile.TarInfo(f"{sample.key}.{suffix}")
                member.size, member.mode = len(content), _READ_ONLY
                member.uname = member.gname = _OWNER
                tar.addfile(member, io.BytesIO(content))
            count += 1
    return count


@contextmanager
def _whole(path: Path) -> Generator[None]:
    """Turn the ways in which a tar file can be damaged into one error that names it."""
    try:
        if path.suffix == ".tar":
            _check_end(path)
        yield
    except FileNotFoundError as error:
        raise DataError(
            "the shard is missing", str(path), "fetch or make it again, or mend the manifest"
        ) from error
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        reason = error.args[0] if error.args else error
        raise DataError(f"the shard cannot be read ({reason})", str(path), _DAMAGED) from error


def _check_end(path: Path) -> None:
    """Refuse a file cut off between two members, which tar readers take for a shorter one."""
    with path.open("rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(max(0, end - len(_END_MARKER)))
        if stream.read() != _END_MARKER:
            raise tarfile.ReadError("it does not end as tar files do")
