"""Images that cannot be trained on as they are say why; others say nothing."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.data.checking.pictures import image_faults


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def noise(mode: str, size: tuple[int, int] = (20, 30)) -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(1).integers(0, 255, (size[1], size[0], bands), dtype=np.uint8)
    return Image.frombytes(mode, size, values.tobytes())


def deep_rgb() -> bytes:
    """Return a PNG of 16 bits per channel in colour, which Pillow itself cannot write."""
    import struct
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        ending = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + ending

    rows = b"".join(b"\0" + bytes(2 * 3 * 4) for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def animated(kind: str) -> bytes:
    return saved(
        noise("RGB"), kind, save_all=True, append_images=[noise("RGB", (20, 30)).rotate(9)]
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_whole_images_have_no_fault(kind: str, mode: str) -> None:
    assert image_faults(saved(noise(mode), kind)) == []


def test_images_with_transparency_or_a_palette_have_no_fault() -> None:
    assert image_faults(saved(noise("RGBA"), "PNG")) == []
    assert image_faults(saved(noise("RGB").quantize(16), "PNG")) == []


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: saved(noise("CMYK"), "JPEG"), "CMYK"),
        (lambda: saved(Image.new("I;16", (9, 9)), "PNG"), "16 or more bits"),
        (deep_rgb, "16 or more bits"),
        (lambda: saved(noise("RGB", (1, 1)), "PNG"), "one pixel"),
        (lambda: animated("PNG"), "animated: 2 frames"),
        (lambda: animated("WEBP"), "animated: 2 frames"),
        (lambda: animated("GIF"), "animated: 2 frames"),
        (lambda: saved(noise("RGB"), "PNG")[:-200], "cannot be decoded"),
        (lambda: saved(noise("RGB"), "JPEG")[:-200], "cannot be decoded"),
        (lambda: saved(noise("RGB"), "WEBP")[:-200], "cannot be decoded"),
        (lambda: b"", "cannot be decoded"),
        (lambda: b"no image", "cannot be decoded"),
    ],
)
def test_an_image_with_a_fault_says_which(make: Callable[[], bytes], word: str) -> None:
    (fault,) = image_faults(make())
    assert word in fault


def test_an_image_of_too_many_pixels_is_a_fault_not_a_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = saved(noise("RGB"), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)  # 600 pixels: Pillow warns, and reads it
    assert image_faults(content) == []
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    (fault,) = image_faults(content)
    assert "too large" in fault
