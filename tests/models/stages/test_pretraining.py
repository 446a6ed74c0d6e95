"""Pre-training on filtered captions, and on instructions among the images."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.data.images import open_images
from models.data.instructions import Instructions
from models.data.kept import TABLE, Scores, kept_folder, write_scores
from models.stages.mixed_data import image_features, mixed_data
from models.training import checkpoint
from models.training.features import stored_file
from orchestrator.errors import DataError, RecordError
from orchestrator.spec.identity import run_id
from orchestrator.spec.model import Encoder, VisionConfig
from orchestrator.spec.run import Filter, ImageTextPretrain
from orchestrator.spec.source import DataSource
from orchestrator.store.layout import RunFolder
from orchestrator.store.stage import StageResult, StoppedError

Contexts = Callable[..., Any]
Run = Callable[[Any], StageResult]

INSTRUCTIONS = DataSource(name="shapeworld/instructions", version="tiny")
PATCH = VisionConfig(encoder=Encoder.PATCH, image_size=48, patch_size=16, feature_width=768)


@pytest.fixture
def branch(declared: Any, stage_context: Contexts, run: Run) -> ImageTextPretrain:
    """A branch whose tower is trained."""
    run(stage_context(declared.tower))
    return declared.branch


@pytest.fixture
def filtered(branch: ImageTextPretrain, stage_context: Contexts, run: Run) -> ImageTextPretrain:
    """A branch that reads what a filter by another one keeps: 8 of 40 captions."""
    run(stage_context(branch))
    filter_ = Filter(
        model=branch.model,
        vision=branch.vision,
        captions=branch.captions,
        keep=0.2,
        parent=run_id(branch),
        tower=branch.tower,
    )
    run(stage_context(filter_))
    return replace(branch, captions_from=run_id(filter_))


@pytest.fixture
def mixed(branch: ImageTextPretrain) -> ImageTextPretrain:
    """A branch in which every other image sequence is of instructions."""
    return replace(branch, instruction_ratio=0.5, instructions=INSTRUCTIONS)


def final_bytes(context: Any) -> dict[str, bytes]:
    (folder,) = context.folder.checkpoints.iterdir()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def weights(context: Any) -> dict[str, torch.Tensor]:
    return dict(checkpoint.finished(context.folder).weights)


def test_a_branch_reads_only_the_captions_that_a_filter_keeps(
    filtered: ImageTextPretrain, stage_context: Contexts, run: Run
) -> None:
    whole, some = (
        run(stage_context(config)) for config in (replace(filtered, captions_from=None), filtered)
    )
    # 8 sequences of captions: more than a pass over 8 images, less than one over 40
    assert whole.counts["caption_passes"] < some.counts["caption_passes"]
    assert some.counts["image_tokens"] == whole.counts["image_tokens"]
    assert some.counts["images"] > 8
    one, other = (
        weights(stage_context(config))
        for config in (replace(filtered, captions_from=None), filtered)
    )
    assert not torch.equal(one["decoder.output.weight"], other["decoder.output.weight"])


def test_what_a_filter_drops_does_not_matter(
    filtered: ImageTextPretrain, stage_context: Contexts, run: Run
) -> None:
    # Another filter that keeps the same captions by other scores.
    assert filtered.captions_from is not None
    first = stage_context(filtered)
    run(first)
    kept = np.zeros(40, dtype=bool)
    kept[mixed_data(first, filtered).kept.numbers] = True  # pyright: ignore[reportOptionalMemberAccess]  (there is a filter)
    other = RunFolder(first.folder.path.parent / "other")
    scores = Scores(tokens=np.ones(40, dtype=np.int64), nats=np.zeros(40), kept=kept)
    write_scores(other, filtered.captions, [str(n) for n in range(40)], scores)
    second = stage_context(replace(filtered, captions_from="other"))
    run(second)
    assert final_bytes(first) == final_bytes(second)


def test_a_filter_of_other_captions_is_refused(
    filtered: ImageTextPretrain, stage_context: Contexts, run: Run
) -> None:
    other = replace(filtered, captions=replace(filtered.captions, name="shapeworld/captions_val"))
    with pytest.raises(RecordError, match="has scored shapeworld/captions at tiny"):
        run(stage_context(other))


def test_a_damaged_filter_is_refused(
    filtered: ImageTextPretrain, stage_context: Contexts, run: Run
) -> None:
    context = stage_context(filtered)
    assert filtered.captions_from is not None
    table = kept_folder(context.parent(filtered.captions_from)) / TABLE
    table.write_bytes(table.read_bytes()[:-1])
    with pytest.raises(RecordError) as caught:
        run(context)
    assert caught.value.where == str(table)


def test_a_branch_without_captions_asks_no_filter(
    branch: ImageTextPretrain, stage_context: Contexts, run: Run
) -> None:
    blind = replace(branch, image_ratio=0.0, captions_from="absent", val_captions=None)
    assert run(stage_context(blind)).counts["image_tokens"] == 0


def test_instructions_are_mixed_in_and_counted(
    branch: ImageTextPretrain, mixed: ImageTextPretrain, stage_context: Contexts, run: Run
) -> None:
    plain, found = (run(stage_context(config)).counts for config in (branch, mixed))
    assert found["instruction_sequences"] == 4
    assert found["text_tokens"] == plain["text_tokens"] == 8 * 128
    assert found["image_tokens"] == plain["image_tokens"] == 8 * 128
    assert found["instruction_passes"] == 1
    assert found["truncated_rows"] == 0
    assert plain.keys() == found.keys() - {
        "instruction_sequences",
        "instruction_passes",
        "truncated_rows",
    }


def test_instructions_alone_read_no_captions(
    mixed: ImageTextPretrain, stage_context: Contexts, run: Run
) -> None:
    alone = replace(
        mixed,
        image_ratio=1.0,
        instruction_ratio=1.0,
        text=replace(mixed.text, name="shapeworld/absent"),
        captions=replace(mixed.captions, name="shapeworld/absent"),
    )
    counts = run(stage_context(alone)).counts
    assert counts["instruction_sequences"] == 16
    assert counts["caption_passes"] == 0


def test_instructions_that_are_not_there_are_named(
    mixed: ImageTextPretrain, stage_context: Contexts, run: Run
) -> None:
    missing = replace(mixed, instructions=replace(INSTRUCTIONS, name="shapeworld/absent"))
    with pytest.raises(DataError) as caught:
        run(stage_context(missing))
    assert "absent" in caught.value.where


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_mixed_branch_that_was_stopped_ends_as_an_undisturbed_one(
    filtered: ImageTextPretrain, stage_context: Contexts, run: Run, stop_after: int
) -> None:
    config = replace(filtered, instruction_ratio=0.5, instructions=INSTRUCTIONS)
    undisturbed = run(stage_context(config, name="undisturbed"))
    with pytest.raises(StoppedError):
        run(stage_context(config, name="stopped", stop_after=stop_after))
    context = stage_context(config, name="stopped")
    assert run(context) == undisturbed
    assert context.resumed_at == stop_after
    assert final_bytes(context) == final_bytes(stage_context(config, name="undisturbed"))


def test_each_image_of_a_batch_has_its_own_features(
    mixed: ImageTextPretrain, stage_context: Contexts
) -> None:
    context = stage_context(mixed)
    data = mixed_data(context, mixed)
    stored = [
        np.load(stored_file(context.parent(mixed.tower), source))
        for source in (mixed.captions, INSTRUCTIONS)
    ]
    features = image_features(context, mixed, data)
    assert features is not None
    images = data.batch(0, 40).images
    assert {image < 40 for image in images.tolist()} == {True, False}
    expected = [stored[image >= 40][image % 40] for image in images.tolist()]
    assert np.array_equal(features(images).numpy(), np.stack(expected))


def test_features_of_instructions_are_computed_where_none_are_stored(
    mixed: ImageTextPretrain, stage_context: Contexts, run: Run
) -> None:
    stored = run(stage_context(mixed, name="stored"))
    context = stage_context(mixed, name="computed")
    assert mixed.tower is not None
    stored_file(context.parent(mixed.tower), INSTRUCTIONS).unlink()
    computed = run(context)
    assert computed.counts == stored.counts
    for one, other in zip(stored.measures, computed.measures, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-4)  # the tower's sums in fp32


def test_pixels_of_instructions_need_no_tower(
    mixed: ImageTextPretrain, stage_context: Contexts, run: Run
) -> None:
    assert run(stage_context(replace(mixed, vision=PATCH, tower=None))).counts["steps"] == 4


def test_the_images_of_instructions_are_those_their_rows_name(
    mixed: ImageTextPretrain, stage_context: Contexts
) -> None:
    context = stage_context(mixed)
    data = mixed_data(context, mixed)
    rows = Instructions(
        context.data(INSTRUCTIONS), seq_len=128, image_tokens=mixed.vision.image_tokens
    )
    by_words = {
        tuple(rows.example(row).ids[9:].tolist()): rows.example(row).images.tolist()
        for row in range(len(rows))
    }
    assert len(by_words) == len(open_images(context.data(INSTRUCTIONS)))
    for index in range(80):
        kind, _ = data.mixture.at(index)
        if kind.value != "instructions":
            continue
        batch = data.batch(index, 1)
        images = iter(batch.images.tolist())
        for document in range(batch.documents.max() + 1):
            words = batch.ids[batch.documents == document][9:].tolist()
            (expected,) = (
                by_words[tuple(words)] if tuple(words) in by_words else by_words[(*words, 0)]
            )
            assert next(images) == 40 + expected


def test_a_branch_of_another_seed_reads_its_trunks_text_on(
    declared: Any, stage_context: Contexts
) -> None:
    def text(**values: Any) -> bytes:
        config = replace(declared.branch, image_ratio=0.0, **values)
        return mixed_data(stage_context(config), config).batch(0, 8).ids.tobytes()

    assert text(seed=1, text_seed=0) == text(seed=0)
    assert text(seed=1) != text(seed=0)
