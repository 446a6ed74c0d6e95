"""Token shards hold exactly the documents' tokens, with the same bytes however they were made."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from models.data.mixture import order
from models.data.shards import open_token_shards, write_token_shards
from models.data.tokenizing import tokenize
from models.data.tokenizing.work import WorkFolder
from orchestrator.errors import ConfigError, DataError

Jsonl = Callable[[Path, Sequence[object]], Path]
Ids = Callable[[Sequence[str]], list[list[int]]]

DOCUMENTS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), min_size=4)
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ROOT = Path(__file__).parents[4]


def done(out: Path) -> dict[str, bytes]:
    """Return the content of every file of a part."""
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


def rows(ids: list[list[int]], seq_len: int) -> list[list[int]]:
    """Cut documents' ids into sequences, the plain way."""
    stream = list(chain.from_iterable(ids))
    whole = len(stream) // (seq_len + 1)
    return [stream[n * (seq_len + 1) : (n + 1) * (seq_len + 1)] for n in range(whole)]


@pytest.fixture(scope="module")
def dying() -> Iterator[Callable[[dict[str, Any]], int]]:
    """Runs a tokenization that dies, and returns its exit code."""
    command = [sys.executable, str(Path(__file__).with_name("dying.py"))]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        requests, answers = process.stdin, process.stdout
        assert requests is not None
        assert answers is not None

        def run(job: dict[str, Any]) -> int:
            requests.write(json.dumps(job) + "\n")
            requests.flush()
            return int(answers.readline())

        yield run
        requests.close()


@st.composite
def some_options(draw: st.DrawFn) -> dict[str, Any]:
    seed = draw(st.none() | st.integers(0, 3))
    return {
        "seq_len": draw(st.integers(1, 12)),
        "sequences_per_shard": draw(st.integers(1, 7)),
        "piece_bytes": draw(st.integers(1, 300)),
        "order": "file" if seed is None else "shuffled",
        "seed": seed,
    }


@FEW
@given(documents=DOCUMENTS, options=some_options())
def test_shards_hold_the_documents_ids_cut_into_sequences(
    tmp_path_factory: pytest.TempPathFactory,
    tokenizer_json: Path,
    plain_ids: Ids,
    jsonl: Jsonl,
    documents: list[str],
    options: dict[str, Any],
) -> None:
    folder = tmp_path_factory.mktemp("part")
    half = len(documents) // 2
    inputs = [
        jsonl(folder / "in" / f"{name}.jsonl", [{"text": text} for text in texts])
        for name, texts in (("b", documents[:half]), ("a", documents[half:]))
    ]
    seq_len, seed = options["seq_len"], options["seed"]
    ids = plain_ids(documents)
    if seed is not None:
        ids = [ids[place] for place in order(len(ids), seed, 0, "tokenize")]
    expected = rows(ids, seq_len)
    if not expected:
        with pytest.raises(DataError, match="less than one sequence"):
            tokenize(inputs, tokenizer_json, folder / "out", options, [].append)
        return
    record = tokenize(inputs, tokenizer_json, folder / "out", options, [].append)
    assert open_token_shards(folder / "out", seq_len).tolist() == expected
    per_shard = options["sequences_per_shard"]
    write_token_shards(folder / "plain", [np.array(row) for row in expected], per_shard)
    files = done(folder / "out")
    assert {name: files[name] for name in done(folder / "plain")} == done(folder / "plain")
    counts = [record[name] for name in ("documents", "sequences", "tokens_left_over")]
    left_over = sum(map(len, ids)) - len(expected) * (seq_len + 1)
    assert counts == [len(documents), len(expected), left_over]
    others = {"bad_documents.jsonl", "manifest.jsonl", "tokenize.json", "tokenizer.json"}
    assert {name for name in files if not name.endswith(".tar")} == others
    assert not (folder / "out" / ".tokenize").exists()


@pytest.fixture
def corpus(tmp_path: Path, jsonl: Jsonl) -> list[Path]:
    """Files of several formats with bad documents among them."""
    rng = np.random.default_rng(5)
    words = ["fox", "dog", "über", "x = 1", "你好", "lazy"]
    texts = [" ".join(rng.choice(words, rng.integers(1, 30))) for _ in range(120)]
    values: list[object] = [{"text": text} for text in texts]
    values[7], values[90] = {"text": ""}, {"title": "none"}
    first = jsonl(tmp_path / "in" / "a file.jsonl", values)
    lines = first.read_text().splitlines(keepends=True)
    first.write_text("".join([*lines[:60], "\n" * 4000, *lines[60:]]))  # whole pieces are blank
    packed = tmp_path / "in" / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(first.read_bytes()[:2001]))  # its last line is cut off
    return [first, packed]


OPTIONS: dict[str, Any] = {"seq_len": 16, "sequences_per_shard": 60, "piece_bytes": 3000}


@pytest.fixture
def job(corpus: list[Path], tokenizer_json: Path) -> dict[str, Any]:
    """What is to die, but for where and when."""
    inputs = [str(path) for path in corpus]
    return {"inputs": inputs, "tokenizer": str(tokenizer_json), "options": OPTIONS}


@pytest.fixture
def reference(tmp_path: Path, corpus: list[Path], tokenizer_json: Path) -> dict[str, bytes]:
    """What an undisturbed tokenization leaves."""
    tokenize(corpus, tokenizer_json, tmp_path / "reference", OPTIONS, [].append)
    return done(tmp_path / "reference")


def test_bad_documents_are_named_by_file_and_line(
    reference: dict[str, bytes], corpus: list[Path]
) -> None:
    lines = [json.loads(line) for line in reference["bad_documents.jsonl"].splitlines()]
    empty = "it is empty: the tokenizer makes no token of it"
    cut_line = gzip.decompress(corpus[1].read_bytes()).count(b"\n") + 1
    assert [(line["file"], line["place"], line["reason"]) for line in lines] == [
        (str(corpus[0]), "line 8", empty),
        (str(corpus[0]), "line 4091", "it has no text"),
        (str(corpus[1]), "line 8", empty),
        (str(corpus[1]), f"line {cut_line}", "it is no JSON"),
    ]
    assert json.loads(reference["tokenize.json"])["bad_documents"] == 4


@pytest.mark.parametrize("allowed", [0, 2, 3])
def test_more_bad_documents_than_allowed_are_refused_and_reported(
    tmp_path: Path,
    corpus: list[Path],
    tokenizer_json: Path,
    reference: dict[str, bytes],
    allowed: int,
) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataError, match=f"more than {allowed} documents") as caught:
        tokenize(corpus, tokenizer_json, out, {**OPTIONS, "max_bad": allowed}, [].append)
    assert caught.value.where == f"{corpus[0]}: line 8"
    assert len((out / "bad_documents.jsonl").read_bytes().splitlines()) > allowed
    assert not (out / "manifest.jsonl").exists()
    tokenize(corpus, tokenizer_json, out, {**OPTIONS, "max_bad": 4}, [].append)
    assert done(out) == reference


def test_documents_that_are_left_out_leave_no_trace_in_the_shards(
    tmp_path: Path, corpus: list[Path], reference: dict[str, bytes], plain_ids: Ids
) -> None:
    texts: list[str] = []
    for content in (corpus[0].read_bytes(), gzip.decompress(corpus[1].read_bytes())):
        for line in content.splitlines():
            if line.endswith(b"}") and (text := json.loads(line).get("text")):
                texts.append(text)
    found = open_token_shards(tmp_path / "reference", 16)
    assert found.tolist() == rows(plain_ids(texts), 16)
    assert len(reference) == 4 + -(-len(found) // 60)


@settings(FEW, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deaths=st.lists(st.integers(1, 390) | st.floats(0.001, 0.15), min_size=1, max_size=3))
def test_a_tokenization_killed_anywhere_ends_with_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    job: dict[str, Any],
    corpus: list[Path],
    reference: dict[str, bytes],
    dying: Callable[[dict[str, Any]], int],
    deaths: list[int | float],
) -> None:
    out = tmp_path_factory.mktemp("killed") / "text"
    for death in deaths:
        when = {"action": death} if isinstance(death, int) else {"seconds": death}
        assert dying({**job, "out": str(out), **when}) in (0, 9, -14)  # 9: at an action; -14: time
        out.mkdir(exist_ok=True)
        assert done(out).items() <= reference.items()
    whole = {path: path.stat().st_ino for path in out.glob("*.tar")}
    tokenize(corpus, Path(job["tokenizer"]), out, OPTIONS, [].append)
    assert done(out) == reference
    assert not (out / ".tokenize").exists()
    assert {path: path.stat().st_ino for path in whole} == whole  # none was made again


def test_the_killed_ones_die_where_they_are_told(
    tmp_path: Path, job: dict[str, Any], dying: Callable[[dict[str, Any]], int]
) -> None:
    assert dying({**job, "out": str(tmp_path / "early"), "action": 30}) == 9
    assert not any((tmp_path / "early").glob("*.tar"))
    assert dying({**job, "out": str(tmp_path / "late"), "action": 270}) == 9
    assert any((tmp_path / "late").glob("*.tar"))
    assert not (tmp_path / "late" / "manifest.jsonl").exists()
    assert dying({**job, "out": str(tmp_path / "never"), "action": 100_000}) == 0
    assert (tmp_path / "never" / "manifest.jsonl").exists()


def test_any_number_of_workers_makes_the_same_bytes_also_after_a_kill(
    tmp_path: Path,
    job: dict[str, Any],
    corpus: list[Path],
    reference: dict[str, bytes],
    dying: Callable[[dict[str, Any]], int],
) -> None:
    out, workers = tmp_path / "out", {**OPTIONS, "workers": 3}
    assert dying({**job, "out": str(out), "action": 60}) == 9
    tokenize(corpus, Path(job["tokenizer"]), out, workers, [].append)
    assert done(out) == reference


def test_a_finished_tokenization_is_left_alone(
    tmp_path: Path, corpus: list[Path], tokenizer_json: Path, reference: dict[str, bytes]
) -> None:
    out = tmp_path / "reference"
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    again = tokenize(corpus, tokenizer_json, out, {**OPTIONS, "workers": 2}, [].append)
    assert again == json.loads(reference["tokenize.json"])
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before


@pytest.mark.parametrize(
    "change", [{"seq_len": 17}, {"order": "shuffled", "seed": 1}, {"sequences_per_shard": 59}]
)
@pytest.mark.parametrize("stand", ["begun", "done"])
def test_other_settings_do_not_go_on_in_the_same_folder(
    tmp_path: Path,
    corpus: list[Path],
    tokenizer_json: Path,
    change: dict[str, Any],
    stand: str,
) -> None:
    out = tmp_path / "out"
    if stand == "done":
        tokenize(corpus, tokenizer_json, out, OPTIONS, [].append)
    else:
        with pytest.raises(DataError, match="documents cannot be used"):
            tokenize(corpus, tokenizer_json, out, {**OPTIONS, "max_bad": 0}, [].append)
    before = done(out)
    with pytest.raises(DataError) as caught:
        tokenize(corpus, tokenizer_json, out, {**OPTIONS, **change}, [].append)
    assert caught.value.where == str(out)
    assert done(out) == before


def test_other_text_does_not_go_on_in_the_same_folder(
    tmp_path: Path, corpus: list[Path], tokenizer_json: Path, reference: dict[str, bytes]
) -> None:
    content = corpus[0].read_bytes()
    corpus[0].write_bytes(content.replace(b"fox", b"cat", 1))
    with pytest.raises(DataError, match="other text"):
        tokenize(corpus, tokenizer_json, tmp_path / "reference", OPTIONS, [].append)
    assert done(tmp_path / "reference") == reference


def test_a_folder_of_foreign_shards_is_left_alone(
    tmp_path: Path, corpus: list[Path], tokenizer_json: Path
) -> None:
    write_token_shards(tmp_path / "out", [np.arange(5)], per_shard=1)
    before = done(tmp_path / "out")
    with pytest.raises(DataError, match="did not make"):
        tokenize(corpus, tokenizer_json, tmp_path / "out", OPTIONS, [].append)
    assert done(tmp_path / "out") == before
    assert not (tmp_path / "out" / ".tokenize").exists()


def test_text_that_reads_like_a_special_token_is_text(
    tmp_path: Path, tokenizer_json: Path, jsonl: Jsonl
) -> None:
    text = "<|endoftext|> ends it, <|padding|> fills it"
    inputs = [jsonl(tmp_path / "a.jsonl", [{"text": text}])]
    tokenize(inputs, tokenizer_json, tmp_path / "out", {"seq_len": 4}, [].append)
    ids = open_token_shards(tmp_path / "out", 4).ravel()
    assert (ids > 1).all()
    decoded = Tokenizer.from_file(str(tokenizer_json)).decode(ids.tolist())
    assert len(decoded) > 10
    assert text.startswith(decoded)


def rewritten(tokenizer_json: Path, path: Path, old: str, new: str) -> Path:
    path.write_text(tokenizer_json.read_text().replace(old, new))
    return path


def test_a_tokenizer_of_another_convention_is_refused(
    tmp_path: Path, corpus: list[Path], tokenizer_json: Path
) -> None:
    other = rewritten(tokenizer_json, tmp_path / "tokenizer.json", "<|endoftext|>", "</s>")
    with pytest.raises(DataError, match=r"<\|endoftext\|> has id None, not 0") as caught:
        tokenize(corpus, other, tmp_path / "out", OPTIONS, [].append)
    assert caught.value.where == str(other)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [None, "{", '{"version": "1.0"}'])
def test_a_tokenizer_that_is_missing_or_damaged_is_named(
    tmp_path: Path, corpus: list[Path], content: str | None
) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError) as caught:
        tokenize(corpus, path, tmp_path / "out", OPTIONS, [].append)
    assert caught.value.where == str(path)


def test_a_tokenizer_larger_than_the_vocabulary_is_refused(
    tmp_path: Path, corpus: list[Path], tokenizer_json: Path
) -> None:
    size = Tokenizer.from_file(str(tokenizer_json)).get_vocab_size()
    options = {**OPTIONS, "vocab_size": size - 1}
    with pytest.raises(DataError, match=f"ids up to {size - 1}, the vocabulary has {size - 1}"):
        tokenize(corpus, tokenizer_json, tmp_path / "out", options, [].append)
    tokenize(corpus, tokenizer_json, tmp_path / "out", {**OPTIONS, "vocab_size": size}, [].append)


def test_a_collection_with_another_tokenizer_is_refused(
    tmp_path: Path, corpus: list[Path], tokenizer_json: Path
) -> None:
    collection = tmp_path / "collection-1"
    collection.mkdir()
    other = rewritten(tokenizer_json, collection / "tokenizer.json", "</w>", "")
    other.write_text(other.read_text() + "\n")
    with pytest.raises(DataError, match="another tokenizer") as caught:
        tokenize(corpus, tokenizer_json, collection / "text", OPTIONS, [].append)
    assert caught.value.where == str(other)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"seq_len": 0}, "seq_len"),
        ({"seq_len": 4, "workers": 0}, "workers"),
        ({"seq_len": 4, "max_bad": -1}, "max_bad"),
        ({"seq_len": 4, "order": "shuffled"}, "seed"),
        ({"seq_len": 4, "seed": 3}, "seed"),
    ],
)
def test_options_out_of_range_are_named(
    tmp_path: Path, corpus: list[Path], tokenizer_json: Path, options: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        tokenize(corpus, tokenizer_json, tmp_path / "out", options, [].append)
    assert caught.value.where == where


def test_two_processes_do_not_tokenize_into_one_folder(
    tmp_path: Path, corpus: list[Path], tokenizer_json: Path
) -> None:
    with WorkFolder(tmp_path / "out").held(), pytest.raises(DataError, match="another process"):
        tokenize(corpus, tokenizer_json, tmp_path / "out", OPTIONS, [].append)
    tokenize(corpus, tokenizer_json, tmp_path / "out", OPTIONS, [].append)
