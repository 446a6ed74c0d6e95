"""Let a model choose among options by their likelihoods."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from models.evaluation.asked import Asked, Given, answer_tokens, continuation
from models.evaluation.likelihood import loglikelihoods
from models.evaluation.respondent import Respondent, Tokens


@dataclass(frozen=True, slots=True)
class Option:
    """An answer that can be chosen."""

    text: str
    tokens: Tokens
    """With its END_OF_TEXT."""
    decisive: int
    """Tokens that are compared."""


def to_choose_from(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Option]:
    """Return what to choose from.

    Options are told apart by their first tokens, as in vlm-evaluation; where two begin alike (1 and
    10, cut into digits), by the whole answer.
    """
    tokens = [answer_tokens(tokenizer, text) for text in texts]
    are_apart = len({option[0] for option in tokens}) == len(tokens)
    return [
        Option(text, option, 1 if are_apart else len(option))
        for text, option in zip(texts, tokens, strict=True)
    ]


def choose(respondent: Respondent, asked: list[Asked], options: list[Option]) -> list[Given]:
    """Take the likeliest option for each question; the first of equals."""
    found = iter(
        loglikelihoods(
            respondent,
            [
                continuation(one.prompt, tokens)
                for one in asked
                if one.prompt is not None
                for tokens in (one.answer, *(o.tokens[: o.decisive] for o in options))
            ],
        )
    )
    texts = [option.text for option in options]
    given: list[Given] = []
    for one in asked:
        if one.prompt is None:
            given.append(Given(None, None, one.problems))
            continue
        right = next(found).nats
        nats = [next(found).nats for _ in options]
        best = texts[nats.index(max(nats))]
        chances = dict(zip(texts, shares(nats), strict=True))
        given.append(Given(best, right, one.problems, chances))
    return given


def shares(nats: Sequence[float]) -> list[float]:
    """Return the probability of each option, given that it is one of them: a softmax.

    vlm-evaluation calls this the likelihood: the next token's probabilities, cut down to the
    options' and made 1 together.
    """
    largest = max(nats)
    weights = [math.exp(one - largest) for one in nats]
    total = math.fsum(weights)
    return [weight / total for weight in weights]
