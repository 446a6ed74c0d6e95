"""Runs on data with bad samples: they go on without them, and their results count them."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.data.bad import MOST_BAD
from models.data.images import open_images
from models.data.tars import Sample, read_samples, write_samples
from models.training.features import stored_file
from orchestrator.errors import DataError
from orchestrator.spec.identity import run_id
from orchestrator.spec.model import Encoder, VisionConfig
from orchestrator.spec.run import Filter
from orchestrator.store.stage import StageResult, StoppedError

Contexts = Callable[..., Any]
Run = Callable[[Any], StageResult]


@pytest.fixture
def spoilt(world: Path, tmp_path: Path) -> Path:
    """A copy of the world in which 3 of 40 captioned images and 2 rows are bad."""
    root = tmp_path / "data"
    shutil.copytree(world, root)
    folder = root / "shapeworld-tiny"
    for part in ("captions", "instructions"):
        shutil.rmtree(folder / part / "index")
    (shard,) = (folder / "captions").glob("*.tar")
    samples = list(read_samples(shard))
    samples[4] = Sample(samples[4].key, {**samples[4].fields, "png": b"no picture"})
    samples[7] = Sample(samples[7].key, {**samples[7].fields, "txt": b""})
    samples[9] = Sample(samples[9].key, {"png": samples[9].fields["png"]})
    write_samples(shard, samples)
    path = folder / "instructions" / "llava.json"
    rows = json.loads(path.read_text())
    rows[0]["conversations"].pop()
    (folder / "instructions" / rows[5]["image"]).write_bytes(b"no picture")
    path.write_text(json.dumps(rows))
    return root


def test_every_stage_goes_on_without_bad_samples_and_counts_them(
    declared: Any, stage_context: Contexts, run: Run, spoilt: Path
) -> None:
    def done(config: Any, **options: Any) -> StageResult:
        context = stage_context(config, **options)
        context.data_root = spoilt
        return run(context)

    done(declared.tower)
    branch = replace(
        declared.branch, instruction_ratio=0.4, instructions=declared.finetune.instructions
    )
    result = done(branch)
    assert result.counts["skipped_samples"] == 5
    with pytest.raises(StoppedError):
        done(branch, name="stopped", stop_after=2)
    assert done(branch, name="stopped") == result
    tuned = done(replace(declared.finetune, parent=run_id(branch)))
    assert tuned.counts["skipped_samples"] == 2
    assert tuned.counts["examples"] == 24  # as declared: a pass is shorter, the budget is not
    kept = Filter(
        model=declared.model,
        vision=declared.vision,
        captions=branch.captions,
        keep=0.5,
        parent=run_id(branch),
        tower=run_id(declared.tower),
    )
    filtered = done(kept)
    assert filtered.counts["captions"] == 37
    assert filtered.counts["skipped_samples"] == 3
    on_kept = done(replace(branch, captions_from=run_id(kept)))
    assert on_kept.counts["skipped_samples"] == 5


def test_features_are_stored_of_every_image_that_can_be_decoded(
    declared: Any, stage_context: Contexts, run: Run, spoilt: Path
) -> None:
    import numpy as np

    context = stage_context(declared.tower)
    context.data_root = spoilt
    run(context)
    stored = np.load(stored_file(context.folder, declared.branch.captions))
    assert len(stored) == len(open_images(spoilt / "shapeworld-tiny" / "captions")) == 40
    assert [number for number in range(40) if not stored[number].any()] == [4]


def test_too_many_bad_samples_stop_a_run_before_its_first_step(
    declared: Any, stage_context: Contexts, run: Run, spoilt: Path
) -> None:
    path = spoilt / "shapeworld-tiny" / "instructions" / "llava.json"
    path.write_text(json.dumps([*json.loads(path.read_text()), *[{}] * MOST_BAD]))
    mixed = replace(
        declared.branch,
        instruction_ratio=0.4,
        instructions=declared.finetune.instructions,
        tower=None,
    )
    context = stage_context(mixed)
    context.data_root = spoilt
    with pytest.raises(DataError, match=f"{MOST_BAD + 2} of .* samples cannot be used") as caught:
        run(context)
    assert "llava.json: row 0: the speakers are human" in caught.value.what
    assert context.reports == []


def test_text_with_ids_beyond_the_vocabulary_stops_a_run_before_its_first_step(
    declared: Any, stage_context: Contexts, run: Run
) -> None:
    config = replace(declared.branch, model=replace(declared.model, vocab_size=64), tower=None)
    context = stage_context(config)
    with pytest.raises(DataError, match="beyond the vocabulary of 64") as caught:
        run(context)
    assert ".tar: sequence " in caught.value.where
    assert context.reports == []


@pytest.mark.parametrize("split", ["val_text", "val_captions"])
def test_held_out_data_that_cannot_be_measured_on_stop_a_run_before_its_first_step(
    declared: Any, stage_context: Contexts, run: Run, spoilt: Path, split: str
) -> None:
    folder = spoilt / "shapeworld-tiny" / getattr(declared.branch, split).part
    shutil.rmtree(folder / "index")
    shard = next(folder.glob("*.tar"))
    shard.write_bytes(shard.read_bytes()[:3000])
    patches = VisionConfig(encoder=Encoder.PATCH, image_size=48, patch_size=16, feature_width=768)
    context = stage_context(replace(declared.branch, vision=patches, tower=None))
    context.data_root = spoilt
    with pytest.raises(DataError, match="the shard cannot be read") as caught:
        run(context)
    assert caught.value.where == str(shard)
    assert context.reports == []
