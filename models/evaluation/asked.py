"""A question in a model's tokens, and what the model gave back. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tokenizers import Tokenizer

from models.data.prompt import answer_text
from models.data.tokenizer import END_OF_TEXT
from models.evaluation.generation import Prompt
from models.evaluation.likelihood import Continuation
from models.evaluation.problem import Problem
from models.evaluation.respondent import Tokens


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in the model's tokens."""

    prompt: Prompt | None
    """None if its image is missing."""
    answer: Tokens
    """The right answer with its END_OF_TEXT."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """What the model gave back."""

    prediction: str | None
    """None if the question could not be asked."""
    nats: float | None
    """Log-likelihood of the right answer; None if it could not be asked."""
    problems: tuple[Problem, ...]
    probabilities: Mapping[str, float] = field(default_factory=dict[str, float])
    """Of each option, 1 together; empty if the answer is free or it could not be asked."""


def answer_tokens(tokenizer: Tokenizer, text: str) -> Tokens:
    """Return an answer's tokens as they follow a prompt, with END_OF_TEXT."""
    return (*tokenizer.encode(answer_text(text), add_special_tokens=False).ids, END_OF_TEXT)


def continuation(prompt: Prompt, tokens: Tokens) -> Continuation:
    """Return a prompt with an answer to be scored."""
    return Continuation((*prompt.tokens, *tokens), len(prompt.tokens), prompt.image)
