"""Every kind of picture becomes RGB as it looks; bytes that are no whole picture say why."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.data.pixels import decode_image, image_fault
from orchestrator.errors import DataError

SIZE = (30, 20)
"""Height and width of the pictures."""
WIDE = (SIZE[1], SIZE[0])
"""The same as Pillow has it: width and height."""


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def noise(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(1).integers(0, 255, (*size, bands), dtype=np.uint8)
    return Image.frombytes(mode, (size[1], size[0]), values.tobytes())


def deep_png(values: NDArray[np.uint16]) -> bytes:
    """Write a PNG of 16 bits per channel in colour, which Pillow itself cannot: (H, W, 3)."""

    def chunk(name: bytes, content: bytes) -> bytes:
        ending = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + ending

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def animated(kind: str) -> bytes:
    frames = [noise(), noise().rotate(90, expand=False)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)


def pixels(content: bytes) -> NDArray[np.int64]:
    decoded = decode_image(content, "here")
    assert decoded.dtype == np.uint8
    assert decoded.shape[2] == 3
    assert image_fault(content) is None
    return decoded.astype(np.int64)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_picture_in_colour_is_what_was_saved(kind: str) -> None:
    assert (pixels(saved(noise(), kind, lossless=True)) == np.asarray(noise())).all()


def test_a_grey_picture_has_three_equal_channels() -> None:
    grey = np.asarray(noise("L"))
    assert (pixels(saved(noise("L"), "PNG")) == grey[:, :, None]).all()


def test_a_palette_is_looked_up() -> None:
    few = noise().quantize(16)
    assert (pixels(saved(few, "PNG")) == np.asarray(few.convert("RGB"))).all()


def test_transparency_is_left_out() -> None:
    shown = noise("RGBA")
    assert (pixels(saved(shown, "PNG")) == np.asarray(shown)[:, :, :3]).all()


@pytest.mark.parametrize("ink", [(0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255)])
def test_four_inks_are_mixed_to_a_colour(ink: tuple[int, int, int, int]) -> None:
    cyan, magenta, yellow, black = (np.array(ink) / 255).tolist()
    colour = [255 * (1 - part) * (1 - black) for part in (cyan, magenta, yellow)]
    found = pixels(saved(Image.new("CMYK", WIDE, ink), "JPEG", quality=100))
    assert np.abs(found - colour).max() <= 3  # what JPEG loses of a flat colour


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    ramp = np.linspace(0, 2**16 - 1, SIZE[0] * SIZE[1]).astype(np.uint16).reshape(SIZE)
    found = pixels(saved(Image.fromarray(ramp), "PNG"))
    assert np.abs(found - ramp[:, :, None] / 257).max() < 1
    coloured = np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=2)
    assert np.abs(pixels(deep_png(coloured)) - coloured / 257).max() < 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    assert (pixels(animated(kind)) == np.asarray(noise())).all()


def test_a_picture_under_another_suffix_is_read_by_its_bytes() -> None:
    assert pixels(animated("GIF")).shape == (*SIZE, 3)


BROKEN: dict[str, Callable[[], bytes]] = {
    "png cut off": lambda: saved(noise(), "PNG")[:-200],
    "jpeg cut off": lambda: saved(noise(), "JPEG")[:-200],
    "webp cut off": lambda: saved(noise(), "WEBP")[:-200],
    "animation cut off": lambda: animated("PNG")[:700],
    "nothing": lambda: b"",
    "text": lambda: b"no image",
    "a page": lambda: b"<!DOCTYPE html><html><body>404</body></html>",
    "32 bits": lambda: saved(Image.new("F", (9, 9), 0.5), "TIFF"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_whole_picture_is_named(name: str) -> None:
    content = BROKEN[name]()
    fault = image_fault(content)
    assert fault is not None
    assert fault.startswith("the image cannot be decoded (")
    with pytest.raises(DataError) as caught:
        decode_image(content, "a.tar: 7")
    assert (caught.value.what, caught.value.where) == (fault, "a.tar: 7")


def test_nothing_can_be_learnt_from_one_pixel() -> None:
    content = saved(noise(size=(1, 1)), "PNG")
    assert image_fault(content) == "the image is of one pixel"
    assert decode_image(content, "here").shape == (1, 1, 3)  # an evaluation may still show it
    assert image_fault(saved(noise(size=(1, 2)), "PNG")) is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_scrambled_bytes_are_read_or_named_and_never_a_crash(kind: str) -> None:
    whole = saved(noise(), kind)
    rng = np.random.default_rng(2)
    read = named = 0
    for _ in range(300):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), 4):
            content[place] = rng.integers(256)
        try:
            decode_image(bytes(content), "here")
            read += 1
        except DataError:
            named += 1
    assert read + named == 300
    assert named > 10


def test_a_picture_of_too_many_pixels_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(noise(), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # 600 pixels; Pillow reads up to twice that
    fault = image_fault(content)
    assert fault is not None
    assert "could be decompression bomb" in fault
