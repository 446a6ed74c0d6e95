"""Images by number, from tar files and folders."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.images import open_images
from models.data.tars import Sample, read_samples, tar_files, write_samples
from orchestrator.errors import DataError


def encoded(value: int, kind: str = "png", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (6, 4), value if mode == "L" else (value, 0, 255)).save(buffer, kind)
    return buffer.getvalue()


def test_images_in_tar_files_are_counted_in_the_order_of_files_and_members(
    unindexed: Callable[[str], Path], world: Path
) -> None:
    expected = [
        (sample.key, sample.fields["png"])
        for file in tar_files(world / "captions")
        for sample in read_samples(file)
    ]
    assert len(expected) == 70
    for folder in (world / "captions", unindexed("captions")):
        images = open_images(folder)
        assert [images.key(index) for index in range(len(images))] == [key for key, _ in expected]
        for index in (0, 24, 25, 69):
            key, content = expected[index]
            assert images.index(key) == index
            pixels = np.asarray(Image.open(io.BytesIO(content)))
            assert (images.pixels(index) == pixels).all()
            assert images.pixels(index).shape == (48, 48, 3)


def test_images_in_a_folder_are_counted_by_name(tmp_path: Path) -> None:
    (tmp_path / "images" / "b's").mkdir(parents=True)
    for value, name in enumerate(["images/b's/2.png", "images/z.PNG", "images/a 1.png"]):
        (tmp_path / name).write_bytes(encoded(value))
    (tmp_path / "llava.json").write_text("[]")
    images = open_images(tmp_path)
    keys = ["images/a 1.png", "images/b's/2.png", "images/z.PNG"]
    assert [images.key(index) for index in range(len(images))] == keys
    assert [images.pixels(images.index(key))[0, 0, 0] for key in keys] == [2, 0, 1]


@pytest.mark.parametrize(("kind", "mode"), [("png", "L"), ("jpeg", "RGB"), ("webp", "RGB")])
def test_other_formats_and_modes_become_rgb(tmp_path: Path, kind: str, mode: str) -> None:
    (tmp_path / f"a.{kind}").write_bytes(encoded(9, kind, mode))
    pixels = open_images(tmp_path).pixels(0)
    assert (pixels.shape, pixels.dtype) == ((4, 6, 3), np.uint8)


def test_an_image_that_is_asked_for_but_not_there_is_named(world: Path) -> None:
    for part in ("captions", "benchmarks"):
        with pytest.raises(DataError, match=r"there is no image x\.png"):
            open_images(world / part).index("x.png")


@pytest.mark.parametrize("content", [b"", b"no image", encoded(1)[:40]])
def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError) as caught:
        open_images(tmp_path).pixels(0)
    assert caught.value.where == str(tmp_path / "a.png")


def test_an_image_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(1))
    images = open_images(tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError) as caught:
        images.pixels(0)
    assert caught.value.where == str(tmp_path / "a.png")


def test_a_part_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        open_images(tmp_path)
    write_samples(tmp_path / "a.tar", [Sample("1", {"txt": b"words"})])
    with pytest.raises(DataError, match="no image"):
        open_images(tmp_path)
