"""Documents are read alike from every format, however a file is cut; bad ones are told apart."""

# pyarrow ships no types:
# pyright: reportMissingTypeStubs=false

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.tokenizing.documents import (
    Piece,
    cut,
    input_files,
    place_name,
    read_documents,
)
from orchestrator.errors import DataError

TEXTS = ["first", "zweiter, größer", "third\nwith two lines", "4 你好"]
LINES = "".join(json.dumps({"text": text, "n": 1}) + "\n" for text in TEXTS).encode()


def zstd(content: bytes) -> bytes:
    return pa.Codec("zstd").compress(content, asbytes=True)


def read(file: Path, piece_bytes: int = 1 << 20, field: str = "text") -> list[str | None]:
    """Return the texts, or for a bad document its fault."""
    pieces = cut(file, piece_bytes, field)
    documents = [document for piece in pieces for document in read_documents(piece, field)]
    return [document.fault or document.text for document in documents if not document.is_blank]


def write_parquet(path: Path, columns: dict[str, list[object]]) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def test_every_format_gives_the_same_documents(tmp_path: Path) -> None:
    contents = {
        "a.jsonl": LINES,
        "a.jsonl.gz": gzip.compress(LINES),
        "a.jsonl.zst": zstd(LINES[:50]) + zstd(LINES[50:]),  # frames may be joined
        "A.JSONL": LINES.rstrip(b"\n"),  # the last line may lack its end
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path / name) == TEXTS, name
    assert read(write_parquet(tmp_path / "a.parquet", {"text": [*TEXTS]})) == TEXTS
    for number, text in enumerate(TEXTS):
        (tmp_path / f"{number}.txt").write_text(text)
        assert read(tmp_path / f"{number}.txt") == [text]


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=12),
    piece_bytes=st.integers(1, 200),
    ends=st.sampled_from(["", "\n", "\n\n  \n"]),
)
def test_pieces_of_any_size_give_each_line_once(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], piece_bytes: int, ends: str
) -> None:
    path = tmp_path_factory.mktemp("pieces") / "a.jsonl"
    lines = (json.dumps({"text": text}, ensure_ascii=False) for text in texts)
    path.write_bytes(("\n".join(lines) + ends).encode())
    assert read(path, piece_bytes) == texts
    whole = list(read_documents(Piece(path, 0, path.stat().st_size), "text"))
    assert [document.place for document in whole] == list(range(len(whole)))
    lines_of_pieces = [list(read_documents(piece, "text")) for piece in cut(path, piece_bytes, "")]
    assert sum(map(len, lines_of_pieces)) == len(whole)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"text": "\xff"}', "it is not UTF-8"),
        ("\ufeff{}".encode("utf-16"), "it is not UTF-8"),
        (b'{"text": "cut', "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b'["text"]', "it is no JSON object"),
        (b'{"content": "x"}', "it has no text"),
        (b'{"text": null}', "it has no text"),
        (b'{"text": 7}', "its text is int, not text"),
        (b'{"text": "\\ud800"}', "its text holds half a surrogate pair, which is no Unicode"),
    ],
)
def test_a_line_that_is_no_document_says_why(tmp_path: Path, line: bytes, fault: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES + line.replace(b"\n", b"") + b"\n" + LINES)
    assert read(tmp_path / "a.jsonl") == [*TEXTS, fault, *TEXTS]


def test_bad_rows_and_text_files_say_why(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"text": ["a", None, "b"]})
    assert read(path) == ["a", "it has no text", "b"]
    broken = pa.array([b"ok", b"\xff\xfe"]).view(pa.string())
    pq.write_table(pa.table({"text": broken}), tmp_path / "b.parquet")
    assert read(tmp_path / "b.parquet") == ["ok", "it is not UTF-8"]
    (tmp_path / "c.txt").write_bytes(b"\xff")
    assert read(tmp_path / "c.txt") == ["it is not UTF-8"]


def test_places_count_blank_lines_but_no_document_is_made_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\n{"text": "a"}\n \n{"text": "b"}\n')
    (piece,) = cut(tmp_path / "a.jsonl", 1000, "text")
    documents = read_documents(piece, "text")
    places = [document.place for document in documents if not document.is_blank]
    assert [place_name(piece.file, place) for place in places] == ["line 2", "line 4"]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.parquet"])
@pytest.mark.parametrize("damage", ["cut off", "garbage"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: str) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        write_parquet(path, {"text": [*TEXTS]})
    else:
        path.write_bytes(gzip.compress(LINES) if name.endswith("gz") else zstd(LINES))
    content = path.read_bytes()
    path.write_bytes(content[:-10] if damage == "cut off" else b"garbage" * 20)
    with pytest.raises(DataError) as caught:
        read(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("columns", [{"content": ["a"]}, {"text": [1]}])
def test_a_parquet_file_without_the_column_is_refused(
    tmp_path: Path, columns: dict[str, list[object]]
) -> None:
    path = write_parquet(tmp_path / "a.parquet", columns)
    with pytest.raises(DataError, match="column text"):
        read(path)


def test_folders_give_their_files_by_name(tmp_path: Path) -> None:
    for name in ("b/2.jsonl", "b/1.jsonl.gz", "a.txt", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = input_files([tmp_path / "b" / "2.jsonl", tmp_path / "a.txt"])
    assert [file.name for file in files] == ["2.jsonl", "a.txt"]
    below = [file.relative_to(tmp_path).as_posix() for file in input_files([tmp_path])]
    assert below == ["a.txt", "b/1.jsonl.gz", "b/2.jsonl"]


def test_inputs_that_are_missing_unknown_or_doubled_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    (tmp_path / "a.md").touch()
    (tmp_path / "empty").mkdir()
    for names in (["b.txt"], ["a.md"], ["empty"], ["a.txt", "."]):
        with pytest.raises(DataError) as caught:
            input_files([tmp_path / name for name in names])
        assert caught.value.where.startswith(str(tmp_path / names[0]))
