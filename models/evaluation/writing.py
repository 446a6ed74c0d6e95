"""Let a model write its answers freely."""

from tokenizers import Tokenizer

from models.evaluation.asked import Asked, Given, continuation
from models.evaluation.generation import generate
from models.evaluation.likelihood import loglikelihoods
from models.evaluation.problem import Problem
from models.evaluation.respondent import Respondent

MAX_NEW_TOKENS = 128
"""Longest free answer, as in vlm-evaluation."""
SPARE_TOKENS = 8
"""A free answer is cut off when it is this much longer than twice the longest right one: it is
wrong by then, unless all the rest are marks and articles that VQA's normalisation deletes."""


def write(
    respondent: Respondent, tokenizer: Tokenizer, asked: list[Asked], longest: int
) -> list[Given]:
    """Let the model answer freely, and ask how likely the right answer was.

    Args:
        respondent: the model.
        tokenizer: the model's.
        asked: questions; an answer is given to each.
        longest: tokens of the benchmark's longest right answer.
    """
    prompts = [one.prompt for one in asked if one.prompt is not None]
    right = [continuation(one.prompt, one.answer) for one in asked if one.prompt is not None]
    room = min(MAX_NEW_TOKENS, 2 * longest + SPARE_TOKENS)
    written = iter(generate(respondent, prompts, max_new_tokens=room))
    found = iter(loglikelihoods(respondent, right))
    given: list[Given] = []
    for one in asked:
        if one.prompt is None:
            given.append(Given(None, None, one.problems))
            continue
        new = next(written)
        text = tokenizer.decode(list(new.tokens), skip_special_tokens=False).strip()
        problems = one.problems if new.is_finished else (*one.problems, Problem.UNFINISHED_ANSWER)
        given.append(Given(text, next(found).nats, problems))
    return given
