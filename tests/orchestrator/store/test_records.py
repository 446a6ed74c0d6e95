"""Records come back as they were written, and refuse what is not theirs."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import RecordError
from orchestrator.plan.causes import Cause
from orchestrator.plan.plan import Axis
from orchestrator.spec.execution import Execution
from orchestrator.spec.identity import run_id
from orchestrator.spec.model import Encoder, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.run import Stage, TowerPretrain
from orchestrator.spec.schedule import Phase, Schedule, Shape
from orchestrator.spec.source import DataSource
from orchestrator.store.attempts import (
    DataFolder,
    Exit,
    attempt_numbers,
    claim_attempt,
    read_exit,
    read_intent,
    write_exit,
    write_intent,
)
from orchestrator.store.layout import RunFolder, StudyFolder
from orchestrator.store.records import (
    RunRecord,
    check_empty,
    check_run,
    claim_study,
    is_done,
    read_progress,
    read_result,
    read_run,
    write_done,
    write_progress,
    write_result,
    write_run,
)
from orchestrator.store.stage import Measure, StageResult
from tests.orchestrator.store import made_records

CONFIG = TowerPretrain(
    vision=VisionConfig(encoder=Encoder.CNN, image_size=4, patch_size=2, feature_width=4),
    scenes=DataSource(name="world/scenes", version="1"),
    steps=3,
    batch_images=2,
    schedule=Schedule(phases=(Phase(shape=Shape.CONSTANT, length=6, start=0.1, end=0.1),)),
    optimizer=OptimizerConfig(),
    features_of=(),
    seed=0,
)
RECORD = RunRecord(
    study="world's end",
    run_id=run_id(CONFIG, "nowhere:train"),
    stage=Stage.TOWER_PRETRAIN,
    function="nowhere:train",
    config=CONFIG,
    needs=("aaa", "bbb"),
    previous=None,
    arms=("timing",),
    axes=(Axis(name="tokens", value=10**15 + 1), Axis(name="image_ratio", value=0.1)),
    title="größer",
)
INTENT = replace(
    made_records.INTENT,
    execution=Execution(threads=2),
    data=(DataFolder(name="world/scenes", version="1", folder="/somewhere"),),
    slot=0,
)
EXIT = Exit(
    token="t",
    code=-9,
    cause=Cause.KILLED,
    message="killed by SIGKILL",
    started=INTENT.time,
    ended=INTENT.time,
    seconds=1.5,
    device="cpu",
    step=2,
    steps_per_second=0.5,
    peak_memory_mib=None,
)
PROGRESS = replace(made_records.PROGRESS, loss=None)
RESULT = StageResult(
    measures=(
        Measure(suite="loss", benchmark="val", metric="nats_per_token", value=1 / 3, n=7),
        Measure(suite="s", benchmark="b", metric="accuracy", value=None, reason="no questions"),
    ),
    counts={"steps": 3, "image_tokens": 10**12},
)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / RECORD.run_id)


def test_a_run_comes_back_with_its_types(folder: RunFolder) -> None:
    write_run(folder, RECORD)
    back = read_run(folder)
    assert back == RECORD
    assert type(back.axes[0].value) is int  # 10^15 + 1 tokens are no 1e15


def test_attempts_are_counted_by_their_folders(folder: RunFolder) -> None:
    assert attempt_numbers(folder) == ()
    first, second = claim_attempt(folder), claim_attempt(folder)
    assert (first.number, second.number) == (1, 2)
    write_intent(first, INTENT)
    write_exit(first, EXIT)
    assert read_intent(first) == INTENT
    assert read_exit(first) == EXIT
    assert read_exit(second) is None
    assert attempt_numbers(folder) == (1, 2)
    folder.attempt(10).path.mkdir()
    assert claim_attempt(folder).number == 11


def test_an_intent_copied_from_another_attempt_is_refused(folder: RunFolder) -> None:
    claim_attempt(folder)
    second = claim_attempt(folder)
    write_intent(second, INTENT)
    with pytest.raises(RecordError) as caught:
        read_intent(second)
    assert caught.value.where == str(second.intent)


def test_progress_and_result_come_back(folder: RunFolder) -> None:
    folder.path.mkdir(parents=True)
    assert read_progress(folder) is None
    write_progress(folder, PROGRESS)
    write_result(folder, RESULT)
    assert read_progress(folder) == PROGRESS
    assert read_result(folder) == RESULT


def test_the_same_result_gives_the_same_bytes(folder: RunFolder) -> None:
    write_result(folder, RESULT)
    first = folder.result.read_bytes()
    write_result(folder, replace(RESULT, counts={"image_tokens": 10**12, "steps": 3}))
    assert folder.result.read_bytes() == first


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_result_that_is_no_number_is_refused_and_named(folder: RunFolder, value: float) -> None:
    measure = Measure(suite="s", benchmark="b", metric="accuracy", value=value)
    with pytest.raises(RecordError) as caught:
        write_result(folder, StageResult(measures=(measure,), counts={}))
    assert "s/b/accuracy" in caught.value.what
    assert not folder.result.exists()


def test_done_vouches_for_the_result(folder: RunFolder) -> None:
    assert not is_done(folder)
    write_result(folder, RESULT)
    assert not is_done(folder)
    write_done(folder)
    assert is_done(folder)
    write_result(folder, replace(RESULT, counts={}))
    with pytest.raises(RecordError) as caught:
        is_done(folder)
    assert caught.value.where == str(folder.result)
    folder.result.unlink()
    with pytest.raises(RecordError):
        is_done(folder)


def test_writing_a_run_again_keeps_it_and_renews_its_lineage(folder: RunFolder) -> None:
    write_run(folder, RECORD)
    written = folder.run_json.stat().st_mtime_ns
    write_run(folder, RECORD)
    assert folder.run_json.stat().st_mtime_ns == written
    write_run(folder, replace(RECORD, needs=("ccc",)))
    assert read_run(folder).needs == ("ccc",)


def test_a_record_that_another_launcher_has_just_written_is_no_foreign_work(
    folder: RunFolder,
) -> None:
    write_run(folder, RECORD)
    check_empty(folder)  # by one that had looked for the record before it was there


def change(**values: object) -> Callable[[dict[str, object]], None]:
    return lambda record: record.update(values)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (change(format=2), "format"),
        (change(extra=1), "extra"),
        (change(needs="aaa"), "a list"),
        (change(stage="cook"), "cook"),
        (change(run_id="000000000000"), "000000000000"),
        (change(config=None), "empty"),
        (change(format=None), "format"),
    ],
)
def test_a_spoilt_run_is_refused_with_its_file(
    folder: RunFolder, spoil: Callable[[dict[str, object]], None], word: str
) -> None:
    write_run(folder, RECORD)
    value = json.loads(folder.run_json.read_text())
    spoil(value)
    folder.run_json.write_text(json.dumps(value))
    with pytest.raises(RecordError) as caught:
        read_run(folder)
    assert caught.value.where.startswith(str(folder.run_json))
    assert word in caught.value.what
    with pytest.raises(RecordError):
        write_run(folder, RECORD)  # it is never written over


@pytest.mark.parametrize("config", [{}, {"seed": 1}, None])
def test_a_quick_look_sees_another_config_too(folder: RunFolder, config: object) -> None:
    write_run(folder, RECORD)
    check_run(folder)
    value = json.loads(folder.run_json.read_text())
    folder.run_json.write_text(json.dumps({**value, "config": config}))
    for _ in range(2):  # what is wrong is said each time
        with pytest.raises(RecordError) as caught:
            check_run(folder)
        assert caught.value.where.startswith(str(folder.run_json))


def test_another_configs_folder_is_refused(folder: RunFolder) -> None:
    with pytest.raises(RecordError):
        write_run(RunFolder(folder.path.with_name("000000000000")), RECORD)


def test_a_folder_with_work_but_no_run_is_not_taken(folder: RunFolder) -> None:
    folder.checkpoints.mkdir(parents=True)
    with pytest.raises(RecordError) as caught:
        write_run(folder, RECORD)
    assert "checkpoints" in caught.value.what


def test_what_a_crash_cut_off_does_not_count(folder: RunFolder) -> None:
    folder.path.mkdir(parents=True)
    folder.path.joinpath(".run.json.x.part").write_text("{")
    write_run(folder, RECORD)
    assert read_run(folder) == RECORD


def test_a_study_claims_its_folder_once(tmp_path: Path) -> None:
    study = StudyFolder(tmp_path / "mine")
    claim_study(study, "mine")
    claim_study(study, "mine")
    with pytest.raises(RecordError) as caught:
        claim_study(study, "yours")
    assert "'mine'" in caught.value.what
    assert "'yours'" in caught.value.what


def test_a_folder_full_of_other_things_is_not_claimed(tmp_path: Path) -> None:
    tmp_path.joinpath("thesis.tex").write_text("dear reader")
    with pytest.raises(RecordError) as caught:
        claim_study(StudyFolder(tmp_path), "mine")
    assert "thesis.tex" in caught.value.what
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
