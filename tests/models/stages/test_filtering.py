"""A filter keeps the captions that a model finds least surprising, and says which they are."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]  (it ships no types)
import pytest

from models.data.images import open_images
from models.data.kept import TABLE, kept_folder, read_kept
from models.data.tars import Sample, read_samples, write_samples
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.identity import run_id
from orchestrator.spec.model import Encoder, VisionConfig
from orchestrator.spec.run import STAGE_FUNCTIONS, Filter, Stage
from orchestrator.spec.schedule import warmup_cosine
from orchestrator.store.stage import StageResult, StoppedError
from orchestrator.worker.function import load_function

Contexts = Callable[..., Any]
Run = Callable[[Any], StageResult]


@pytest.fixture
def config(declared: Any, stage_context: Contexts, run: Run) -> Filter:
    """A filter whose parent is trained."""
    run(stage_context(declared.tower))
    run(stage_context(declared.branch))
    return Filter(
        model=declared.model,
        vision=declared.vision,
        captions=declared.branch.captions,
        keep=0.3,
        parent=run_id(declared.branch),
        tower=run_id(declared.tower),
    )


def table(context: Any) -> list[dict[str, Any]]:
    return pq.read_table(kept_folder(context.folder) / TABLE).to_pylist()


def values(result: StageResult) -> dict[tuple[str, str], float | None]:
    return {(measure.benchmark, measure.metric): measure.value for measure in result.measures}


def test_the_least_surprising_share_is_kept_and_counted(
    config: Filter, stage_context: Contexts, run: Run
) -> None:
    context = stage_context(config)
    result = run(context)
    rows = table(context)
    images = open_images(context.data(config.captions))
    assert [row["image"] for row in rows] == [images.key(number) for number in range(40)]
    ranked = sorted(rows, key=lambda row: (row["perplexity"], row["sample"]))
    assert [row["kept"] for row in ranked] == [True] * 12 + [False] * 28
    assert [row["perplexity"] for row in rows] == pytest.approx(
        [np.exp(row["nats_per_token"]) for row in rows]
    )
    assert result.counts == {
        "captions": 40,
        "kept_captions": 12,
        "dropped_captions": 28,
        "skipped_samples": 0,
        "scored_tokens": sum(row["tokens"] for row in rows),
        "cut_captions": 0,
    }
    for group, own in (("kept_captions", ranked[:12]), ("dropped_captions", ranked[12:])):
        for metric in ("perplexity", "nats_per_token"):
            mean = float(np.mean([row[metric] for row in own]))
            assert values(result)[group, metric] == pytest.approx(mean)
    assert config.captions is not None
    kept = read_kept(context.folder, config.captions)
    assert kept.numbers.tolist() == sorted(row["sample"] for row in ranked[:12])


def test_the_mean_over_all_tokens_is_the_loss_that_training_knows(
    config: Filter, declared: Any, stage_context: Contexts, run: Run
) -> None:
    # The same model, captions and images, measured by the packed sequences of the held-out loss.
    same = replace(declared.branch, val_text=None, val_captions=declared.branch.captions)
    (loss,) = run(stage_context(same)).measures
    context = stage_context(config)
    run(context)
    rows = table(context)
    assert sum(row["tokens"] for row in rows) == loss.n
    total = sum(row["tokens"] * row["nats_per_token"] for row in rows)
    assert total / (loss.n or 0) == pytest.approx(loss.value, abs=1e-4)  # rounding in fp32


def test_no_image_is_copied(config: Filter, stage_context: Contexts, run: Run) -> None:
    context = stage_context(config)
    run(context)
    names = {path.name for path in context.folder.artifacts.rglob("*") if path.is_file()}
    assert names == {TABLE, "manifest.json"}


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_filter_that_was_stopped_goes_on_and_finds_the_same(
    config: Filter,
    stage_context: Contexts,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    stop_after: int,
) -> None:
    monkeypatch.setattr("models.stages.scoring.POSITIONS_AT_ONCE", 300)
    undisturbed = stage_context(config, name="undisturbed")
    expected = run(undisturbed)
    stopped = stage_context(config, name="stopped", stop_after=stop_after)
    with pytest.raises(StoppedError):
        run(stopped)
    assert not kept_folder(stopped.folder).exists()
    context = stage_context(config, name="stopped")
    assert run(context) == expected
    assert context.resumed_at == stop_after
    assert context.reports == undisturbed.reports[stop_after:]
    assert len(undisturbed.reports) > 3
    for path in kept_folder(undisturbed.folder).iterdir():
        assert path.read_bytes() == (kept_folder(context.folder) / path.name).read_bytes()
    assert run(context) == expected  # as after a crash before the result was written


def test_wrong_captions_are_more_surprising_than_right_ones(
    declared: Any, stage_context: Contexts, run: Run, world: Path, tmp_path: Path
) -> None:
    shutil.copytree(world, tmp_path / "data")
    folder = tmp_path / "data" / "shapeworld-tiny" / "mixed"
    shutil.copytree(world / "shapeworld-tiny" / "captions", folder)
    shutil.rmtree(folder / "index", ignore_errors=True)
    (shard,) = folder.glob("*.tar")
    samples = list(read_samples(shard))
    texts = [sample.fields["txt"] for sample in samples]
    wrong = range(1, len(samples), 2)
    for place in wrong:  # each has the caption of the next wrong one
        fields = {**samples[place].fields, "txt": texts[(place + 2) % len(samples)]}
        samples[place] = Sample(samples[place].key, fields)
    write_samples(shard, samples)
    branch = replace(
        declared.branch,
        vision=VisionConfig(encoder=Encoder.PATCH, image_size=48, patch_size=16, feature_width=768),
        image_ratio=1.0,
        tokens=150 * declared.branch.batch_tokens,
        schedule=warmup_cosine(peak=1e-2, final=1e-4, warmup=5000, length=150 * 512),
        val_text=None,
        val_captions=None,
        tower=None,
    )
    run(stage_context(branch))
    mixed = replace(branch.captions, name="shapeworld/mixed")
    config = Filter(
        model=branch.model,
        vision=branch.vision,
        captions=mixed,
        keep=0.5,
        parent=run_id(branch),
        tower=None,
    )
    context = stage_context(config)
    context.data_root = tmp_path / "data"
    run(context)
    rows = table(context)
    right = [row["nats_per_token"] for row in rows if row["sample"] % 2 == 0]
    others = [row["nats_per_token"] for row in rows if row["sample"] % 2]
    assert 2 * np.mean(right) < np.mean(others)
    kept_right = sum(row["kept"] for row in rows if row["sample"] % 2 == 0)
    assert kept_right >= 15  # of 20; chance gives 10 +- 1.6


def test_a_share_that_keeps_nothing_is_refused_before_any_work(
    config: Filter, stage_context: Contexts, run: Run
) -> None:
    context = stage_context(replace(config, keep=0.01))
    with pytest.raises(ConfigError) as caught:
        run(context)
    assert caught.value.where == "keep"
    assert context.reports == []


def test_captions_that_are_not_there_are_named(
    config: Filter, stage_context: Contexts, run: Run
) -> None:
    assert config.captions is not None
    missing = replace(config, captions=replace(config.captions, name="shapeworld/absent"))
    with pytest.raises(DataError) as caught:
        run(stage_context(missing))
    assert "absent" in caught.value.where


def test_a_filter_is_found_by_its_stage_s_name(config: Filter, stage_context: Contexts) -> None:
    function = load_function(STAGE_FUNCTIONS[Stage.FILTER])
    with pytest.raises(ConfigError):
        function(stage_context(replace(config, keep=0.01)))
