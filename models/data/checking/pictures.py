"""What is wrong with an image file's bytes."""

import io
import warnings

from PIL import Image

_DEPTH_AT = 24
"""Byte of a PNG file that holds its bits per channel (PNG specification, IHDR)."""
_ANIMATED = ("GIF", "PNG", "WEBP")
"""Formats whose further frames are an animation; a JPEG's (MPO) are another view."""


def image_faults(content: bytes) -> list[str]:
    """Return why an image cannot be trained on as it is; nothing if it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, which can be read
            with Image.open(io.BytesIO(content)) as image:
                faults = _faults(image, content)
                image.convert("RGB")  # decodes it to its end
                return faults
    except Image.DecompressionBombError as error:
        return [f"the image is too large to be decoded ({error})"]
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        return [f"the image cannot be decoded ({error})"]


def _faults(image: Image.Image, content: bytes) -> list[str]:
    faults: list[str] = []
    if image.mode == "CMYK":
        faults.append("the image is CMYK, of which RGB is only guessed")
    if image.mode.startswith(("I", "F")) or (image.format == "PNG" and content[_DEPTH_AT] == 16):
        faults.append("the image has 16 or more bits per channel, of which 8 would be kept")
    if image.size == (1, 1):
        faults.append("the image is of one pixel")
    frames = int(getattr(image, "n_frames", 1))
    if image.format in _ANIMATED and frames > 1:
        faults.append(f"the image is animated: {frames} frames, of which the first would be kept")
    return faults
