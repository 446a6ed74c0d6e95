"""Checking captioned images: every image and every caption in tar files."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer

from models.data.checking.finding import Expected, Finding, of_error
from models.data.images import IMAGE_SUFFIXES
from models.data.pixels import image_fault
from models.data.tars import Sample, read_samples, tar_files
from models.data.tokenizer import tokenizer_file
from models.data.tokenizing.encode import open_tokenizer
from orchestrator.errors import DataError

_IMAGE = "fetch or make the image again, or leave the sample out"
_CAPTION = "give each image a caption in UTF-8, or leave the sample out"


def check_captions(folder: Path, expected: Expected) -> Iterator[Finding]:
    """Yield what is wrong with a part of captioned images.

    Where there is a tokenizer, captions of no token are named, and with `seq_len` those that do
    not fit.
    """
    path = expected.tokenizer or tokenizer_file(folder.parent)
    tokenizer = None
    if expected.tokenizer is not None or path.is_file():
        try:
            tokenizer = open_tokenizer(path)
        except DataError as error:
            yield of_error(error, path)
    by_content: dict[str, Path] = {}
    for file in tar_files(folder):
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        same = by_content.setdefault(digest, file)
        if same != file:
            what = f"it is the same file as {same.name}"
            yield Finding(file=str(file), what=what, mend="remove one of the two")
        yield from _check_file(file, tokenizer, expected.seq_len)


def _check_file(file: Path, tokenizer: Tokenizer | None, seq_len: int | None) -> Iterator[Finding]:
    index = 0
    try:
        for sample in read_samples(file):
            for what, mend in _sample_faults(sample, tokenizer, seq_len):
                what = f"sample {sample.key}: {what}"
                yield Finding(file=str(file), index=index, what=what, mend=mend)
            index += 1
    except DataError as error:
        yield of_error(error, file, index)
        return
    if index == 0:
        yield Finding(file=str(file), what="the shard is empty", mend="remove it")


def _sample_faults(
    sample: Sample, tokenizer: Tokenizer | None, seq_len: int | None
) -> Iterator[tuple[str, str]]:
    images = [suffix for suffix in IMAGE_SUFFIXES if suffix in sample.fields]
    if len(images) != 1:
        has = ", ".join(sorted(sample.fields)) or "nothing"
        yield f"it has {len(images)} images ({has})", f"give it one of {', '.join(IMAGE_SUFFIXES)}"
    for suffix in images:
        fault = image_fault(sample.fields[suffix])
        if fault is not None:
            yield fault, _IMAGE
    fault = _caption_fault(sample.fields.get("txt"), tokenizer, seq_len)
    if fault is not None:
        yield fault, _CAPTION


def _caption_fault(
    content: bytes | None, tokenizer: Tokenizer | None, seq_len: int | None
) -> str | None:
    if content is None:
        return "it has no caption (txt)"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return "its caption is not UTF-8"
    if not text.strip():
        return "its caption is empty"
    if tokenizer is None:
        return None
    tokens = len(tokenizer.encode(text, add_special_tokens=False).ids)
    if tokens == 0:
        return "its caption has no token"
    if seq_len is not None and tokens > seq_len:
        return f"its caption has {tokens} tokens, more than a sequence of {seq_len}"
    return None
