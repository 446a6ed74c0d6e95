"""`sweep data` as a user meets it: shards from text, counts, findings and exit codes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

MAKE_TOKENIZER = (
    "import sys; from models.data.shapeworld.vocabulary import build_tokenizer; "
    "build_tokenizer().save(sys.argv[1])"
)


def sweep(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator.cli.main", "data", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Token shards made by the command, in a folder with a space and a quote."""
    folder = tmp_path_factory.mktemp("a user's data")
    tokenizer = folder / "tokenizer.json"
    subprocess.run([sys.executable, "-c", MAKE_TOKENIZER, str(tokenizer)], cwd=ROOT, check=True)
    lines = [json.dumps({"body": "a red circle above a blue square"}) for _ in range(50)]
    (folder / "text.jsonl").write_text("\n".join([*lines, "{"]))
    out = folder / "mine-1" / "text"
    command = ["tokenize", folder / "text.jsonl", "--tokenizer", tokenizer, "--out", out]
    options = ["--seq-len", "16", "--field", "body", "--sequences-per-shard", "10"]
    done = sweep(*command, *options)
    assert done.returncode == 0, done.stderr
    assert "50 documents in 23 sequences of 16 tokens, 3 shards; 1 documents left" in done.stdout
    again = sweep(*command, *options, "--json")
    assert json.loads(again.stdout)["sequences"] == 23
    refused = sweep(*command, *options, "--shuffle-seed", "4")
    assert refused.returncode == 2
    first, where, mend = refused.stderr.splitlines()
    assert first.startswith("sweep data: the folder holds shards of other text")
    assert where == f"  where: {out}"
    assert mend.startswith("  mend:  ")
    return out


def test_counts_are_printed_in_columns_and_as_json(shards: Path) -> None:
    lines = sweep("count", shards).stdout.splitlines()
    assert lines[0] == f"{shards}: token shards"
    assert lines[1].split() == ["file", "sequences", "tokens", "ends_of_text", "bytes", "documents"]
    assert lines[-1].split()[:4] == ["in", "all", "23", "368"]
    assert lines[-1].split()[-1] == "50"
    counted = json.loads(sweep("count", shards, "--json").stdout)
    assert [file["sequences"] for file in counted["files"]] == [10, 10, 3]


def test_check_passes_what_is_whole_and_exits_with_two_where_something_is_wrong(
    shards: Path,
) -> None:
    done = sweep("check", shards)
    assert (done.returncode, done.stdout) == (0, "nothing wrong was found\n")
    assert sweep("check", shards, "--json").stdout == ""
    done = sweep("check", shards, "--seq-len", "8")
    assert done.returncode == 2
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == f"{shards}/00000000.tar: 0: the sequence has 17 ids, not 9"
    assert lines[-1] == "23 found"
    as_json = sweep("check", shards, "--seq-len", "8", "--json")
    assert as_json.returncode == 2
    findings = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert len(findings) == 23
    assert {tuple(finding) for finding in findings} == {("file", "index", "what", "mend")}


def test_an_index_names_what_is_left_out_and_refuses_more(shards: Path, tmp_path: Path) -> None:
    part = tmp_path / "a user's-1" / "instructions"
    part.mkdir(parents=True)
    shutil.copy(shards / "tokenizer.json", part.parent)
    say = [{"from": "human", "value": "red"}, {"from": "gpt", "value": "circle"}]
    (part / "llava.json").write_text(json.dumps([{"conversations": say}, {}, {}]))
    refused = sweep("index", part, "--max-bad", "1")
    assert refused.returncode == 2
    assert "2 of 3 samples cannot be used, where at most 1 may be left out" in refused.stderr
    assert not (part / "index").exists()
    done = sweep("index", part, shards)
    assert done.returncode == 0, done.stderr
    first, row, _, text = done.stdout.splitlines()
    assert first == f"{part}: instructions; 2 samples left out"
    assert row.startswith("  llava.json: row 1: the row is not in LLaVA's format")
    assert text == f"{shards}: tokens; 0 samples left out"
    (as_json,) = sweep("index", part, "--json").stdout.splitlines()
    assert [one["place"] for one in json.loads(as_json)["left_out"]] == [
        "llava.json: row 1",
        "llava.json: row 2",
    ]


@pytest.mark.parametrize("command", ["count", "check", "index"])
def test_a_path_of_no_data_is_a_user_error(tmp_path: Path, command: str) -> None:
    done = sweep(command, tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"where: {tmp_path}" in done.stderr


@pytest.mark.parametrize("command", ["tokenize", "count", "check", "index"])
def test_every_subcommand_has_help_with_an_example(command: str) -> None:
    shown = " ".join(sweep(command, "--help").stdout.split())
    assert f"Example: sweep data {command}" in shown
