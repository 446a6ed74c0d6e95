"""Study files: what a person gets wrong is refused with what, where and how to mend it."""

from pathlib import Path

import pytest

from orchestrator.errors import SweepError
from orchestrator.spec.run import Stage
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import load_plan

SMOKE = Path(__file__).parents[3] / "sweeps" / "smoke.yaml"


def edited(tmp_path: Path, old: str, new: str) -> Path:
    text = SMOKE.read_text()
    assert old in text, f"sweeps/smoke.yaml no longer says {old!r}"
    path = tmp_path / "study file.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize("text", ["", "# nothing\n", "just words", "[1, 2]", "a: [1", "\tx: 1"])
def test_a_file_that_is_no_study_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(SweepError) as caught:
        load_study(path)
    assert str(path) in caught.value.where
    assert caught.value.mend


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SweepError) as caught:
        load_study(tmp_path / "none.yaml")
    assert "no such file" in caught.value.what


@pytest.mark.parametrize(
    ("old", "new", "what", "where"),
    [
        ("study: smoke", "studdy: smoke", "unknown key 'studdy'", "studdy"),
        ("study: smoke", "study: a/b", "not a name", "study"),
        ("study: smoke", "study: data", "beside the studies'", "study"),
        ("seed: 0", "seed: x", "'x'", "seed"),
        ("image_ratio: 0.3", "image_ratio: 1.4", "image_ratio is 1.4", "image_ratio"),
        ("image_ratio: 0.3", "image_ratio: 30", "image_ratio is 30", "image_ratio"),
        ("image_ratio: 0.3", "image_ratio: lots", "'lots'", "image_ratio"),
        ("image_ratio: 0.3", "image_ratoi: 0.3", "unknown key 'image_ratoi'", "image_ratoi"),
        ("cooldown_point: [0, 80%, 100%]", "cooldown_point: [80]", "is 80", "cooldown_point"),
        ("cooldown_point: [0, 80%, 100%]", "cooldown_point: ['80']", "'80'", "cooldown_point"),
        ("model: [10k]", "model: [10M]", "model '10M' is not declared", "model"),
        ("batch_tokens: 1_024", "batch_tokens: 1e3", "not a whole number", "batch_tokens"),
        ("batch_tokens: 1_024", "batch_tokens: 1_000", "multiple of seq_len", "batch_tokens"),
        ("batch_tokens: 1_024", "batch_tokens: 900_000_000", "smaller than one", "tokens"),
        ("kind: vision", "kind: visoin", "'visoin' is not known", "kind"),
        ("suites: [text", "suites: [texts", "suite 'texts' is not declared", "suites"),
        ("captions: shapeworld/", "captions: shapewurld/", "'shapewurld'", "captions"),
        ("heads: 2", "heads: 3", "over 3 heads", "heads"),
        ("frozen: true", "frozen: 1", "not true or false", "frozen"),
    ],
)
def test_a_wrong_value_is_refused_and_named(
    old: str, new: str, what: str, where: str, tmp_path: Path
) -> None:
    path = edited(tmp_path, old, new)
    with pytest.raises(SweepError) as caught:
        load_plan(path, results=tmp_path)
    assert what in caught.value.what
    assert where in caught.value.where
    assert str(path) in caught.value.where
    assert caught.value.mend


def test_values_from_the_command_line_win(tmp_path: Path) -> None:
    plan = load_plan(SMOKE, ("stages.finetune.epochs=3",), tmp_path)
    epochs = {
        axis.value
        for run in plan.runs
        if run.stage is Stage.FINETUNE
        for axis in run.axes
        if axis.name == "epochs"
    }
    assert epochs == {3}


def test_a_value_set_from_outside_is_checked_too(tmp_path: Path) -> None:
    with pytest.raises(SweepError) as caught:
        load_plan(SMOKE, ("stages.finetune.epoch=3",), tmp_path)
    assert caught.value.where.endswith("stages.finetune.epoch")


def test_an_include_gives_defaults_that_the_file_may_change(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(SMOKE.read_text())
    path = tmp_path / "own.yaml"
    path.write_text("include: base.yaml\nstudy: own\nstages: {finetune: {epochs: 2}}\n")
    study = load_study(path)
    assert study.name == "own"
    finetune = study.defaults.stages.finetune
    assert finetune is not None
    assert finetune.epochs == 2


def test_a_key_given_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SweepError) as caught:
        load_study(edited(tmp_path, "seed: 0", "seed: 0\nseed: 1"))
    assert "duplicate key seed (line 6)" in caught.value.what


def test_the_data_version_follows_every_option() -> None:
    def version(*overrides: str) -> str:
        return load_study(SMOKE, overrides).data[0].version

    assert version() == version()
    assert version("data.shapeworld.seed=99") != version()


def test_the_same_study_gives_the_same_plan(tmp_path: Path) -> None:
    assert load_plan(SMOKE, results=tmp_path) == load_plan(SMOKE, results=tmp_path)
