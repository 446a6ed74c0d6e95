"""A respondent that takes and gives text, whatever its length.

Every document begins after END_OF_TEXT, as in training. Context for which there is no room loses
its beginning.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tokenizers import Tokenizer

from models.data.tokenizer import END_OF_TEXT
from models.evaluation.generation import Prompt, generate
from models.evaluation.likelihood import Continuation, loglikelihoods
from models.evaluation.respondent import Respondent, Tokens
from models.evaluation.windows import windows

TEXTS_AT_ONCE = 1024
"""Texts that are tokenized together; bounds the memory for what the tokenizer says beside ids."""


class EmptyError(Exception):
    """A continuation of no tokens, which would be certain whatever the model."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        """Of the pair, from 0."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a model thinks of a text."""

    nats: float
    """Log-likelihood of the scored part."""
    is_greedy: bool
    """Whether the model would have written it."""
    is_truncated: bool
    """Whether context was lost."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote."""

    text: str
    is_truncated: bool
    """Whether context was lost."""
    is_finished: bool
    """Whether the model ended the text itself."""


@dataclass(frozen=True, slots=True)
class TextModel:
    """A respondent with its tokenizer; each text is tokenized once."""

    respondent: Respondent
    tokenizer: Tokenizer
    _encoded: dict[str, Tokens] = field(default_factory=dict[str, Tokens])

    def read(self, pairs: Sequence[tuple[str, str]]) -> list[Read]:
        """Score the continuation of each (context, continuation), both tokenized at once.

        Spaces at the end of a context belong to the continuation.

        Raises:
            EmptyError: if a continuation has no token of its own.
        """
        cut: list[list[Continuation]] = []
        lost: list[bool] = []
        self._encode_all(context + continuation for context, continuation in pairs)
        self._encode_all(context.rstrip() for context, _ in pairs)
        for context, continuation in pairs:
            stripped = context.rstrip()
            whole = (END_OF_TEXT, *self._encode(context + continuation))
            start = 1 + len(self._encode(stripped))
            cut.append(windows(whole, start, self.respondent.seq_len))
            if not cut[-1]:
                raise EmptyError(len(cut) - 1)
            lost.append(len(cut[-1]) > 1 or len(cut[-1][0].tokens) < len(whole))
        return self._read(cut, lost)

    def read_whole(self, texts: Sequence[str]) -> list[Read]:
        """Score all tokens of each text; what does not fit is scored in windows."""
        self._encode_all(texts)
        tokens = [(END_OF_TEXT, *self._encode(text)) for text in texts]
        cut = [windows(text, 1, self.respondent.seq_len) for text in tokens]
        return self._read(cut, [False] * len(cut))

    def write(
        self, contexts: Sequence[str], rooms: Sequence[int], marks: Sequence[str] = ()
    ) -> list[Written]:
        """Go on greedily from each context for up to so many tokens, or to END_OF_TEXT.

        Context keeps at least half of the sequence. Behind the first of `marks` nothing is read,
        and the text may end at any later token.
        """
        seq_len = self.respondent.seq_len
        self._encode_all(contexts)
        prompts: list[Prompt] = []
        lost: list[bool] = []
        for context, room in zip(contexts, rooms, strict=True):
            tokens = (END_OF_TEXT, *self._encode(context))
            longest = max(seq_len - room, seq_len // 2)
            prompts.append(Prompt(tokens[-longest:]))
            lost.append(len(tokens) > longest)

        def is_enough(tokens: Tokens) -> bool:
            text = self.tokenizer.decode(list(tokens))
            return any(mark in text for mark in marks if mark)

        new = generate(
            self.respondent,
            prompts,
            max_new_tokens=max(rooms, default=0),
            is_enough=is_enough if any(marks) else None,
        )
        return [
            Written(
                text=self.tokenizer.decode(list(one.tokens[:room])),
                is_truncated=is_lost,
                is_finished=one.is_finished and len(one.tokens) <= room,
            )
            for one, room, is_lost in zip(new, rooms, lost, strict=True)
        ]

    def _read(self, cut: list[list[Continuation]], lost: list[bool]) -> list[Read]:
        """Score all windows at once and add up those of each text."""
        found = iter(loglikelihoods(self.respondent, [window for text in cut for window in text]))
        parts = [[next(found) for _ in text] for text in cut]
        return [
            Read(sum(part.nats for part in text), all(part.is_greedy for part in text), is_lost)
            for text, is_lost in zip(parts, lost, strict=True)
        ]

    def _encode(self, text: str) -> Tokens:
        return self._encoded[text]

    def _encode_all(self, texts: Iterable[str]) -> None:
        """Tokenize texts that are not known yet, on all the CPUs that the tokenizer finds."""
        new = [text for text in dict.fromkeys(texts) if text not in self._encoded]
        for start in range(0, len(new), TEXTS_AT_ONCE):
            some = new[start : start + TEXTS_AT_ONCE]
            found = self.tokenizer.encode_batch_fast(some, add_special_tokens=False)
            self._encoded.update(
                (text, tuple(one.ids)) for text, one in zip(some, found, strict=True)
            )


def cut_at(text: str, marks: Sequence[str]) -> str:
    """Return a text up to the first of the marks, without it."""
    for mark in marks:
        text = text.partition(mark)[0] if mark else text
    return text
