r"""How a question and its answer are written: the same in training, generation and scoring. Pure.

Prismatic's plain prompt: `In: <question>\nOut: <answer><|endoftext|>`. The space before the answer
belongs to the answer, everywhere: a prompt ends in "Out:" and what follows begins with a space, so
that byte-level tokenizers cut training and evaluation at the same place.
"""

PLACEHOLDER = "<image>"
"""Stands for the image in LLaVA's rows; its own line, first or last in the first human turn."""

SHORT_ANSWER = "\nAnswer the question using a single word or phrase."
"""Follows open and yes/no questions (vlm-evaluation: VQAv2, GQA, TextVQA, POPE)."""

UNANSWERABLE = "\nWhen the provided information is insufficient, respond with 'Unanswerable'."
"""Stands before it where there may be no answer (vlm-evaluation: VizWiz)."""

LETTER = "\nAnswer with the option's letter from the given choices directly."
"""Follows lettered choices (vlm-evaluation: TallyQA, AI2D)."""

TRUE_OR_FALSE = (
    'Based on the image, is this statement "True" or "False"? {statement}'
    '\nRespond with "True" or "False" directly.'
)
"""Asks whether a statement is true (vlm-evaluation: VSR)."""

REGION = (
    "Please provide the bounding box coordinate of the region this sentence describes: "
    '"{expression}"'
)
"""Asks for a box (vlm-evaluation: RefCOCO, OCID-Ref)."""

CAPTION = "Provide a short image description."
"""Asks for a caption (vlm-evaluation, prismatic.py: captioning)."""


def question_text(question: str) -> str:
    """Return the prompt of one question, ready for its answer."""
    return f"In: {question.strip()}\nOut:"


def answer_text(answer: str) -> str:
    """Return an answer as it follows a prompt; `END_OF_TEXT` comes after its tokens."""
    return f" {answer.strip()}"
