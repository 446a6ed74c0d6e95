"""Counts are those of the files' contents, whatever their records say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.counting import count
from models.data.shapeworld.vocabulary import build_tokenizer
from models.data.shards import write_token_shards
from models.data.tokenizing import tokenize
from orchestrator.errors import DataError

OPTIONS: dict[str, Any] = {"seq_len": 4, "sequences_per_shard": 2}


def test_token_shards_are_counted_file_by_file(tmp_path: Path) -> None:
    ids = np.array([[0, 5, 6, 0, 7], [8, 9, 9, 9, 9], [1, 2, 3, 4, 0]])
    write_token_shards(tmp_path, list(ids), per_shard=2)
    counted = count(tmp_path)
    sizes = [(tmp_path / f"0000000{n}.tar").stat().st_size for n in range(2)]
    assert counted == {
        "path": str(tmp_path),
        "kind": "token shards",
        "total": {"sequences": 3, "tokens": 12, "ends_of_text": 3, "bytes": sum(sizes)},
        "files": [
            {
                "file": "00000000.tar",
                "sequences": 2,
                "tokens": 8,
                "ends_of_text": 2,
                "bytes": sizes[0],
            },
            {
                "file": "00000001.tar",
                "sequences": 1,
                "tokens": 4,
                "ends_of_text": 1,
                "bytes": sizes[1],
            },
        ],
    }


def test_documents_are_known_where_they_were_tokenized(tmp_path: Path) -> None:
    build_tokenizer().save(str(tmp_path / "tokenizer.json"))
    lines = [json.dumps({"text": "a red circle " * n}) for n in (1, 2, 3)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    inputs = [tmp_path / "a.jsonl"]
    tokenize(inputs, tmp_path / "tokenizer.json", tmp_path / "out", OPTIONS, [].append)
    total: Any = count(tmp_path / "out")["total"]
    assert total["documents"] == 3
    assert total["sequences"] == (3 * 6 + 3) // 5
    assert total["tokens"] == 4 * total["sequences"]


def test_captions_and_rows_are_counted(part: Callable[[str], Path]) -> None:
    captions: Any = count(part("captions"))
    assert captions["kind"] == "captioned images"
    assert [file["images"] for file in captions["files"]] == [25, 25, 20]
    assert captions["total"]["images"] == captions["total"]["captions"] == 70
    folder = part("instructions")
    rows: Any = count(folder)
    written = json.loads((folder / "llava.json").read_text())
    assert rows["total"] == {
        "rows": 40,
        "bad_rows": 0,
        "images": 30,
        "turns": sum(len(row["conversations"]) // 2 for row in written),
        "bytes": (folder / "llava.json").stat().st_size,
    }
    assert count(folder / "llava.json")["files"] == rows["files"]


def test_damaged_data_are_not_counted(tmp_path: Path) -> None:
    write_token_shards(tmp_path, [np.arange(5)], per_shard=1)
    manifest = tmp_path / "manifest.jsonl"
    whole = manifest.read_text()
    manifest.write_text(whole + "7\n")
    with pytest.raises(DataError) as caught:
        count(tmp_path)
    assert caught.value.where == f"{manifest}: line 2"
    manifest.write_text(whole)
    (tmp_path / "00000000.tar").write_bytes(b"x" * 2000)
    with pytest.raises(DataError) as caught:
        count(tmp_path)
    assert caught.value.where == str(tmp_path / "00000000.tar")
