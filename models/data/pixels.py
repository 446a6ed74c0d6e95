"""Image files' bytes as pixels: (H, W, 3), RGB, 8 bits. Pure.

Every kind that stands for one picture is read: grey, palette, CMYK, with transparency (which is
left out), of 16 bits per channel (the upper eight are kept), and the first frame of an animation.
"""

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from orchestrator.errors import DataError

_LOWER_BITS = 8
"""Left out of 16; so does Pillow itself where 16-bit images are in colour."""


def decode_image(content: bytes, where: str) -> NDArray[np.uint8]:
    """Decode an image file's bytes: (H, W, 3), RGB.

    Raises:
        DataError: naming `where`, if they are no whole image.
    """
    try:
        return _decoded(content)
    except _DAMAGES as error:
        raise DataError(_said(error), where, "fetch or make the image again") from error


def image_fault(content: bytes) -> str | None:
    """Return why nothing can be learnt from an image file's bytes; None if something can."""
    try:
        pixels = _decoded(content)
    except _DAMAGES as error:
        return _said(error)
    if pixels.shape[:2] == (1, 1):
        return "the image is of one pixel"
    return None


_DAMAGES = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for bytes that are no whole image."""


def _said(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # which names an object's address
        return "the image cannot be decoded (it is no image file)"
    return f"the image cannot be decoded ({error})"


def _decoded(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as image:
        if image.mode in ("I", "F"):
            raise ValueError("it has 32 bits per channel, of an unknown range")
        if image.mode.startswith("I;16"):
            grey = (np.asarray(image) >> _LOWER_BITS).astype(np.uint8)  # (H, W)
            return np.repeat(grey[:, :, None], 3, axis=2)  # (H, W, 3)
        return np.asarray(image.convert("RGB"))
