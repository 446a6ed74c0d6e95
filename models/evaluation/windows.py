"""Cut text that is longer than a model's context: each token is scored exactly once. Pure."""

from itertools import pairwise

from models.evaluation.likelihood import Continuation
from models.evaluation.respondent import Tokens


def windows(tokens: Tokens, start: int, seq_len: int) -> list[Continuation]:
    """Return what to score for the tokens from `start` on, with inputs of at most `seq_len`.

    Scored tokens that fit are kept together, and their context loses its beginning. Longer ones
    are cut as in lm-eval's rolling likelihood: each window but the last scores `seq_len` tokens
    after one of context; the last has the whole context that there is room for. Where nothing is
    scored, there is no window.
    """
    end = len(tokens)
    if start >= end:
        return []
    if end - start <= seq_len:
        return [_window(tokens, start, end, seq_len)]
    cuts = [*range(start, end, seq_len), end]
    return [_window(tokens, low, high, seq_len) for low, high in pairwise(cuts)]


def _window(tokens: Tokens, low: int, high: int, seq_len: int) -> Continuation:
    first = max(0, high - seq_len - 1)
    return Continuation(tokens[first:high], low - first)
