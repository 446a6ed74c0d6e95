"""Options of a world: complete, known, in range."""

from dataclasses import fields

import pytest

from models.data.shapeworld import ShapeworldConfig
from models.data.shapeworld.config import RELEASE
from orchestrator.errors import ConfigError
from orchestrator.spec.codec import decode


def test_counts_have_no_default(options: dict[str, object]) -> None:
    required = {
        *("release", "seed", "seq_len", "train_images", "val_images", "scene_images", "entities"),
        *("instruction_images", "test_images", "text_sequences", "val_sequences", "questions"),
    }
    for name in (field.name for field in fields(ShapeworldConfig)):
        given = {key: value for key, value in options.items() if key != name}
        if name not in required:
            decode(ShapeworldConfig, given)
            continue
        with pytest.raises(ConfigError) as caught:
            decode(ShapeworldConfig, given)
        assert caught.value.where == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("release", RELEASE + 1),
        ("seed", -1),
        ("seq_len", 47),
        ("train_images", 0),
        ("val_images", 0),
        ("scene_images", 0),
        ("instruction_images", 0),
        ("test_images", 0),
        ("text_sequences", 0),
        ("val_sequences", 0),
        ("entities", 0),
        ("entities", 4097),
        ("questions", 5),
        ("image_size", 33),
        ("image_size", 50),
        ("questions_per_image", 0),
        ("questions_per_image", 9),
        ("text_rows", -1),
        ("zipf_exponent", 0.0),
        ("shard_samples", 0),
        ("train_images", "many"),
        ("trian_images", 3),
    ],
)
def test_a_wrong_option_is_refused_and_named(
    options: dict[str, object], name: str, value: object
) -> None:
    with pytest.raises(ConfigError) as caught:
        decode(ShapeworldConfig, {**options, name: value})
    assert caught.value.where == name
