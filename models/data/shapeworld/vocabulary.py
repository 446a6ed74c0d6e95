"""The words of the world, and the tokenizer made of them. Pure."""

from collections.abc import Iterator
from functools import cache
from itertools import chain

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from models.data.prompt import PLACEHOLDER, REGION, SHORT_ANSWER, question_text
from models.data.shapeworld.facts import DISHES, FIRST_NAMES, LAST_NAMES, RELATIONS, TOWNS
from models.data.shapeworld.language import plural
from models.data.shapeworld.scene import COLOURS, PLACES, SHAPES
from models.data.tokenizer import SPECIAL_TOKENS

UNKNOWN = "<|unknown|>"
"""A word outside the vocabulary."""

OWN_TOKENS = (*SPECIAL_TOKENS, PLACEHOLDER, UNKNOWN)
"""The first ids. LLaVA's placeholder of an image is a word here; no text contains it."""

LARGEST_TERM = 20
"""Of sums; their result is at most twice this."""

_WORD = r"[0-9]\.[0-9]{2}|[0-9]+|[a-z]+|[^\sa-z0-9]"
"""A coordinate (0.35), a whole number, a word, or one mark."""

_SENTENCES = (
    "and a is at the left of above there are how many what where in this image yes no",
    "[0.00, 1.00] 1 + 2 = 3.",
)
"""Words of sentences and answers that stand nowhere else in this file."""


def build_tokenizer() -> Tokenizer:
    """Return a word-level tokenizer of every word that the world can say, lower case.

    Its decoder joins words by spaces and most marks without, so that decoding gives back what the
    world says (one space for a new line; quotation marks keep a space on both sides).
    """
    words = dict.fromkeys(_words())
    vocabulary = {word: number for number, word in enumerate([*OWN_TOKENS, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.add_special_tokens(list(OWN_TOKENS))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = _splitter()
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.WordPiece(prefix="##", cleanup=True),  # a space before each word, not before .
            *(decoders.Replace(f" {mark}", mark) for mark in ":]"),
            decoders.Fuse(),
            decoders.Replace("[ ", "["),
        ]
    )
    return tokenizer


class WordEncoder:
    """Encodes text as `tokenizer.encode` does, many times faster on a small vocabulary.

    No token of the world crosses white space, so pieces between it are encoded once and remembered.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        @cache
        def encode(piece: str) -> list[int]:
            return tokenizer.encode(piece, add_special_tokens=False).ids

        self._encode = encode

    def __call__(self, text: str) -> list[int]:
        """Return the ids of a text."""
        return list(chain.from_iterable(map(self._encode, text.split())))


def _splitter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)


def _words() -> Iterator[str]:
    splitter, lower = _splitter(), normalizers.Lowercase()
    for text in _texts():
        yield from (word for word, _ in splitter.pre_tokenize_str(lower.normalize_str(text)))


def _texts() -> Iterator[str]:
    yield question_text("what")
    yield from _SENTENCES
    yield from (*COLOURS, *SHAPES, *PLACES, "shape")
    yield from (plural(shape) for shape in (*SHAPES, "shape"))
    yield from (REGION.format(expression=""), SHORT_ANSWER)
    yield from (f"{relation.statement} {relation.question}" for relation in RELATIONS)
    yield from (*FIRST_NAMES, *LAST_NAMES, *TOWNS, *DISHES)
    yield from (str(number) for number in range(2 * LARGEST_TERM + 1))
    yield from (f"{number / 100:.2f}" for number in range(101))
