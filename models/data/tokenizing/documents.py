"""Documents of text files: jsonl (also gzip or zstandard), parquet, and plain text.

A line of jsonl or a row of parquet is a document; a plain text file is one as a whole. Files are
cut into pieces that can be read apart from one another; the pieces' documents, one piece after the
other, are the file's.
"""

# pyarrow ships no types:
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import gzip
import io
import json
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from orchestrator.errors import DataError

_ROWS = 1024
"""Rows of a parquet file that are held in memory at a time."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file that one task reads."""

    file: Path
    """The file."""
    start: int
    """First byte of plain jsonl, first row group of parquet; 0 for what is read whole."""
    end: int
    """The byte or row group after the last; 1 for what is read whole."""


@dataclass(frozen=True, slots=True)
class Document:
    """What stands where a document is expected."""

    place: int
    """Its number in the piece, counted from 0: of the line, or of the row."""
    text: str
    """The text; empty if there is none that can be read."""
    fault: str | None = None
    """Why there is none."""
    is_blank: bool = False
    """Whether it is an empty line, which is neither a document nor a fault."""


@dataclass(frozen=True, slots=True)
class _Format:
    pieces: Callable[[Path, int, str], list[Piece]]
    documents: Callable[[Piece, str], Iterator[Document]]
    place: str
    """How a place is written, with the number counted from 0 as `n`, from 1 as `line`."""


def input_files(inputs: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files to read: those named, and for folders the documents' files below by name.

    Raises:
        DataError: if one is missing, comes twice or is of no known format, or a folder has none.
    """
    files: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if _suffix(file) and file.is_file())
            if not found:
                raise DataError("there is no file of documents here", str(path), _KNOWN)
            files += found
        elif not path.is_file():
            raise DataError("the file of documents is missing", str(path), "name a file that is")
        elif _suffix(path) is None:
            raise DataError(f"{path.name} is of no known format", str(path), _KNOWN)
        else:
            files.append(path)
    real = [file.resolve() for file in files]
    for number, file in enumerate(real):
        if file in real[:number]:
            raise DataError("the file is read twice", str(files[number]), "name each file once")
    return tuple(files)


def cut(file: Path, piece_bytes: int, field: str) -> list[Piece]:
    """Cut a file into pieces: a function of the file, `piece_bytes` and nothing else.

    Raises:
        DataError: if the file is damaged, or a parquet file has no column of that name.
    """
    return _format(file).pieces(file, piece_bytes, field)


def read_documents(piece: Piece, field: str) -> Iterator[Document]:
    """Read what stands at each place of a piece: documents, faults and blank lines.

    Raises:
        DataError: if the file cannot be read, or a compressed one is cut off.
    """
    with _readable(piece.file):
        yield from _format(piece.file).documents(piece, field)


def place_name(file: Path, number: int) -> str:
    """Return how the place of a document in its file is written, counted from 0."""
    return _format(file).place.format(n=number, line=number + 1)


def _whole(file: Path, piece_bytes: int, field: str) -> list[Piece]:  # noqa: ARG001  (a format's)
    return [Piece(file, 0, 1)]


def _byte_ranges(file: Path, piece_bytes: int, field: str) -> list[Piece]:  # noqa: ARG001
    size = file.stat().st_size
    starts = range(0, size, piece_bytes)
    return [Piece(file, start, min(start + piece_bytes, size)) for start in starts]


def _row_groups(file: Path, piece_bytes: int, field: str) -> list[Piece]:  # noqa: ARG001
    import pyarrow as pa  # takes tenths of a second that other formats should not wait for
    import pyarrow.parquet as pq

    with _readable(file), pq.ParquetFile(file) as opened:
        schema = opened.schema_arrow
        kind = schema.field(field).type if field in schema.names else None
        groups = opened.num_row_groups
    if kind is None or not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DataError(
            f"there is no column {field}" if kind is None else f"column {field} holds {kind}",
            where=str(file),
            mend=f"name a column of text; the columns are {', '.join(schema.names)}",
        )
    return [Piece(file, group, group + 1) for group in range(groups)]


def _line_documents(lines: Iterator[bytes], field: str) -> Iterator[Document]:
    for place, line in enumerate(lines):
        if line.isspace():
            yield Document(place, "", is_blank=True)
        else:
            yield _line_document(place, line, field)


def _line_document(place: int, line: bytes, field: str) -> Document:
    try:
        entry: object = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return Document(place, "", "it is not UTF-8")
    except (ValueError, RecursionError):
        return Document(place, "", "it is no JSON")
    if not isinstance(entry, dict):
        return Document(place, "", "it is no JSON object")
    return _checked(place, cast(dict[str, object], entry).get(field), field)


def _checked(place: int, text: object, field: str) -> Document:
    if text is None:
        return Document(place, "", f"it has no {field}")
    if not isinstance(text, str):
        return Document(place, "", f"its {field} is {type(text).__name__}, not text")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return Document(place, "", f"its {field} holds half a surrogate pair, which is no Unicode")
    return Document(place, text)


def _plain_lines(piece: Piece, field: str) -> Iterator[Document]:
    return _line_documents(_lines_between(piece), field)


def _lines_between(piece: Piece) -> Iterator[bytes]:
    """Yield the lines that begin in the piece."""
    with piece.file.open("rb") as stream:
        position = piece.start
        if position > 0:
            stream.seek(position - 1)
            position += len(stream.readline()) - 1  # the rest of a line that begins before
        while position < piece.end and (line := stream.readline()):
            position += len(line)
            yield line


def _gzip_lines(piece: Piece, field: str) -> Iterator[Document]:
    with gzip.open(piece.file, "rb") as stream:
        yield from _line_documents(iter(stream), field)


def _zstd_lines(piece: Piece, field: str) -> Iterator[Document]:
    import pyarrow as pa

    with pa.OSFile(str(piece.file)) as file, pa.CompressedInputStream(file, "zstd") as stream:
        lines = io.BufferedReader(cast(io.RawIOBase, stream), buffer_size=1 << 20)
        yield from _line_documents(iter(cast(BinaryIO, lines)), field)


def _parquet_rows(piece: Piece, field: str) -> Iterator[Document]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = 0
    with pq.ParquetFile(piece.file) as opened:
        groups = list(range(piece.start, piece.end))
        for batch in opened.iter_batches(_ROWS, row_groups=groups, columns=[field]):
            for content in batch.column(0).cast(pa.large_binary()).to_pylist():
                yield _decoded(place, content, field)
                place += 1


def _plain_text(piece: Piece, field: str) -> Iterator[Document]:  # noqa: ARG001  (a format's)
    yield _decoded(0, piece.file.read_bytes(), "content")


def _decoded(place: int, content: bytes | None, field: str) -> Document:
    try:
        return _checked(place, None if content is None else content.decode("utf-8"), field)
    except UnicodeDecodeError:
        return Document(place, "", "it is not UTF-8")


_FORMATS = {
    ".jsonl": _Format(_byte_ranges, _plain_lines, "line {line}"),
    ".jsonl.gz": _Format(_whole, _gzip_lines, "line {line}"),
    ".jsonl.zst": _Format(_whole, _zstd_lines, "line {line}"),
    ".parquet": _Format(_row_groups, _parquet_rows, "row {n}"),
    ".txt": _Format(_whole, _plain_text, "the whole file"),
}
_KNOWN = f"give files that end in {', '.join(_FORMATS)}"


def _suffix(file: Path) -> str | None:
    return next((suffix for suffix in _FORMATS if file.name.lower().endswith(suffix)), None)


def _format(file: Path) -> _Format:
    return _FORMATS[_suffix(file) or ""]


@contextmanager
def _readable(file: Path) -> Generator[None]:
    """Turn the ways in which a file can be damaged into one error that names it."""
    try:
        yield
    except (OSError, EOFError, zlib.error, ValueError, NotImplementedError) as error:  # Arrow's too
        raise DataError(
            f"the file cannot be read ({error})",
            where=str(file),
            mend="fetch or make the file again; it is cut off or not what its name says",
        ) from error
