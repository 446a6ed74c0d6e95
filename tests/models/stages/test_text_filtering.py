"""A filter of text keeps the documents that a trunk finds least surprising, as new shards."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]  (it ships no types)
import pytest

from models.data.checking import check
from models.data.documents import open_documents
from models.data.kept_text import DOCUMENTS, read_text, text_folder
from models.data.shards import open_token_shards, write_token_shards
from orchestrator.errors import ConfigError, DataError, RecordError
from orchestrator.spec.identity import run_id
from orchestrator.spec.run import Filter, TextPretrain
from orchestrator.spec.schedule import warmup_cosine
from orchestrator.store.stage import StageResult, StoppedError

Contexts = Callable[..., Any]
Run = Callable[[Any], StageResult]


@pytest.fixture
def trunk(declared: Any) -> TextPretrain:
    branch = declared.branch
    return TextPretrain(
        model=declared.model,
        text=branch.text,
        val_text=None,
        end_tokens=branch.tokens,
        batch_tokens=branch.batch_tokens,
        schedule=branch.schedule,
        optimizer=branch.optimizer,
        seed=0,
    )


@pytest.fixture
def config(trunk: TextPretrain, stage_context: Contexts, run: Run) -> Filter:
    """A filter whose parent is trained."""
    run(stage_context(trunk))
    return Filter(
        model=trunk.model,
        vision=None,
        captions=None,
        text=trunk.text,
        keep=0.25,
        parent=run_id(trunk),
        tower=None,
    )


def table(context: Any) -> list[dict[str, Any]]:
    return pq.read_table(text_folder(context.folder) / DOCUMENTS).to_pylist()


def test_the_least_surprising_documents_are_written_and_the_others_named(
    config: Filter, stage_context: Contexts, run: Run
) -> None:
    context = stage_context(config)
    result = run(context)
    documents = open_documents(context.data(config.text))
    rows = table(context)
    assert [row["document"] for row in rows] == list(range(len(documents)))
    assert [row["tokens"] for row in rows] == documents.lengths.tolist()
    count = result.counts["kept_documents"]
    assert count == round(len(documents) / 4)
    ranked = sorted(rows, key=lambda row: (row["nats_per_token"], row["document"]))
    kept = sorted(row["document"] for row in ranked[:count])
    assert [row["document"] for row in rows if row["kept"]] == kept
    folder = read_text(context.folder, trunk_text(config))
    sequences = open_token_shards(folder, config.model.seq_len)
    flat = [
        token
        for number in kept
        for token in documents.ids[documents.starts[number] : documents.starts[number + 1]].tolist()
        + ([] if documents.ids[documents.starts[number + 1] - 1] == 0 else [0])
    ]
    assert sequences.reshape(-1).tolist() == flat[: sequences.size]
    assert list(check(folder, {})) == []
    assert result.counts == {
        "documents": len(documents),
        "kept_documents": count,
        "dropped_documents": len(documents) - count,
        "scored_tokens": documents.ids.size,
        "kept_sequences": len(sequences),
        "tokens_left_over": len(flat) - sequences.size,
    }
    values = {(one.benchmark, one.metric): one.value for one in result.measures}
    means = [row["nats_per_token"] for row in ranked]
    assert values["kept_documents", "nats_per_token"] == pytest.approx(np.mean(means[:count]))
    assert values["dropped_documents", "nats_per_token"] == pytest.approx(np.mean(means[count:]))


def trunk_text(config: Filter) -> Any:
    assert config.text is not None
    return config.text


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_filter_that_was_stopped_goes_on_and_writes_the_same(
    config: Filter,
    stage_context: Contexts,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    stop_after: int,
) -> None:
    monkeypatch.setattr("models.stages.scoring.POSITIONS_AT_ONCE", 2000)
    undisturbed = stage_context(config, name="undisturbed")
    expected = run(undisturbed)
    stopped = stage_context(config, name="stopped", stop_after=stop_after)
    with pytest.raises(StoppedError):
        run(stopped)
    assert not text_folder(stopped.folder).exists()
    context = stage_context(config, name="stopped")
    assert run(context) == expected
    assert context.resumed_at == stop_after
    for path in text_folder(undisturbed.folder).rglob("*"):
        if path.is_file():
            other = text_folder(context.folder) / path.relative_to(text_folder(undisturbed.folder))
            assert path.read_bytes() == other.read_bytes()
    assert run(context) == expected  # as after a crash before the result was written


def test_scrambled_documents_are_more_surprising_than_written_ones(
    trunk: TextPretrain, stage_context: Contexts, run: Run, world: Path, tmp_path: Path
) -> None:
    shutil.copytree(world, tmp_path / "data")
    collection = tmp_path / "data" / "shapeworld-tiny"
    T = trunk.model.seq_len
    sequences = np.array(open_token_shards(collection / "text", T))
    rng = np.random.default_rng(0)
    for place in range(1, len(sequences), 2):  # every second one is scrambled within itself
        own = sequences[place]
        words = own != 0
        own[words] = rng.permutation(own[words])
    write_token_shards(collection / "mixed", list(sequences), 50)
    long = replace(
        trunk,
        end_tokens=60 * trunk.batch_tokens,
        schedule=warmup_cosine(peak=1e-2, final=1e-4, warmup=2048, length=60 * trunk.batch_tokens),
    )
    run(stage_context(long))
    config = Filter(
        model=trunk.model,
        vision=None,
        captions=None,
        text=replace(trunk.text, name="shapeworld/mixed"),
        keep=0.5,
        parent=run_id(long),
        tower=None,
    )
    context = stage_context(config)
    context.data_root = tmp_path / "data"
    run(context)
    documents = open_documents(collection / "mixed")
    scrambled = documents.starts[:-1] // (T + 1) % 2 == 1
    rows = table(context)
    nats = np.array([row["nats_per_token"] for row in rows])
    kept = np.array([row["kept"] for row in rows])
    assert nats[~scrambled].mean() + 0.5 < nats[scrambled].mean()
    assert kept[~scrambled].mean() > 0.8  # chance gives a half


@pytest.mark.parametrize(
    ("keep", "error", "words"),
    [(1e-5, ConfigError, "none of"), (0.004, DataError, "less than one sequence")],
)
def test_a_share_that_is_too_small_is_refused(
    config: Filter, stage_context: Contexts, run: Run, keep: float, error: type, words: str
) -> None:
    with pytest.raises(error, match=words):
        run(stage_context(replace(config, keep=keep)))


def test_kept_text_is_not_believed_when_damaged_or_of_another_source(
    config: Filter, stage_context: Contexts, run: Run
) -> None:
    context = stage_context(config)
    run(context)
    other = replace(trunk_text(config), version="other")
    with pytest.raises(RecordError, match="has scored shapeworld/text at tiny, not"):
        read_text(context.folder, other)
    shard = text_folder(context.folder) / "00000000.tar"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    with pytest.raises(RecordError) as caught:
        read_text(context.folder, trunk_text(config))
    assert caught.value.where == str(shard)


def test_a_filter_is_of_captions_or_of_text(config: Filter, declared: Any) -> None:
    with pytest.raises(ConfigError, match="a filter of captions"):
        replace(config, captions=declared.branch.captions)
    with pytest.raises(ConfigError, match="a filter of captions"):
        replace(config, text=None)
    with pytest.raises(ConfigError, match="a filter of captions"):
        replace(config, text=None, captions=declared.branch.captions)


def test_trunks_and_branches_read_the_documents_that_were_kept_and_no_other(
    config: Filter, trunk: TextPretrain, declared: Any, stage_context: Contexts, run: Run
) -> None:
    filtering = stage_context(config)
    kept_sequences = run(filtering).counts["kept_sequences"]
    on_kept = replace(trunk, text_from=run_id(config))
    context = stage_context(on_kept)
    result = run(context)
    read = trunk.end_tokens // trunk.model.seq_len
    assert result.counts["text_passes"] == -(-read // kept_sequences)
    run(stage_context(declared.tower))
    branch = replace(
        declared.branch,
        text_from=run_id(config),
        text_start=trunk.end_tokens,
        trunk=run_id(on_kept),
        image_ratio=0.25,
    )
    counts = run(stage_context(branch)).counts
    sequences = read + counts["text_tokens"] // trunk.model.seq_len
    assert counts["text_passes"] == -(-sequences // kept_sequences)
