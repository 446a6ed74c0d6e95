"""TextVQA: what is written in the image? Scored as M4C's evaluator does. Pure.

Singh et al. 2019 (arXiv:1904.08920); normalisation of facebookresearch/mmf (m4c_evaluators.py),
applied to the prediction and to the annotators' answers alike. A question may end in words that an
OCR system read; one family shows them, the other cuts them off.
"""

from dataclasses import dataclass
from functools import lru_cache

from models.evaluation.answering import FreeAnswer
from models.evaluation.problem import Problem
from models.evaluation.prompts import short_answer
from models.evaluation.question import Question, Row
from models.evaluation.vqa import ANNOTATORS, agreement, majority, normalise

OCR_TOKENS = "\nReference OCR token:"
"""Stands before the words that an OCR system read (LLaVA's llava_textvqa_val_v051_ocr.jsonl)."""


@dataclass(frozen=True, slots=True)
class TextVqa(FreeAnswer):
    """The family of TextVQA."""

    shows_ocr: bool
    """Whether the words that an OCR system read are shown with the question."""

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: question (it may end in an OCR system's words), img_path, answers."""
        asked, votes = row.text("question"), row.texts("answers")
        if not votes:
            raise row.refuse("answers", "a list of at least one text")
        if self.shows_ocr and OCR_TOKENS not in asked:
            raise row.refuse("question", f"a question that ends in {OCR_TOKENS.strip()} and words")
        return Question(
            question_id=question_id,
            image=row.text("img_path"),
            text=short_answer(asked if self.shows_ocr else asked.partition(OCR_TOKENS)[0]),
            answer=majority(votes),
            votes=votes,
        )

    def score(self, prediction: str, question: Question) -> float:
        """Return the soft accuracy in [0, 1]."""
        return agreement(m4c_answer(prediction), [m4c_answer(vote) for vote in question.votes])

    def problems(self, prediction: str, question: Question) -> tuple[Problem, ...]:
        """Name what is wrong with a row or its prediction."""
        found = FreeAnswer.problems(self, prediction, question)
        return (Problem.SHORT_ANSWER_LIST, *found) if len(question.votes) < ANNOTATORS else found


@lru_cache(maxsize=1 << 14)
def m4c_answer(text: str) -> str:
    """Bring an answer into M4C's form: "Mike's" -> "mike 's", "1,000" -> "1000"."""
    words = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return normalise(words.strip())
