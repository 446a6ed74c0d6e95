"""Cuts captions into words, as far as the published metrics of captions need it. Pure.

Close to coco-caption, which runs Stanford's Java PTBTokenizer on lower-cased text and drops
punctuation: clitics are words of their own ("it's" -> it 's, "don't" -> do n't), hyphens stay
inside words, numbers keep their points and commas. Other than there, abbreviations lose their
points ("u.s." -> u s), signs such as & and $ are dropped, and words like "cannot" and "gonna" stay
whole. Scores are compared within one tokenisation; published ones may differ a little.
"""

import re
from functools import lru_cache

Words = tuple[str, ...]
"""A caption."""

_CLITIC = r"n't|'(?:s|re|ve|ll|d|m)"
_BEFORE_CLITIC = re.compile(rf"(?<=\w)({_CLITIC})(?!\w)")
_WORD = re.compile(rf"(?:{_CLITIC})(?!\w)|\d+(?:[.,]\d+)+|[^\W_]+(?:[-'][^\W_]+)*")


@lru_cache(maxsize=1 << 16)
def caption_words(caption: str) -> Words:
    """Return a caption's words in lower case, without punctuation."""
    text = caption.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return tuple(_WORD.findall(_BEFORE_CLITIC.sub(r" \1", text)))


def ngrams(words: Words, size: int) -> list[Words]:
    """Return all runs of `size` words, in order."""
    return [words[start : start + size] for start in range(len(words) - size + 1)]
