"""Captioning: say in a sentence what is in the image. Scored by CIDEr-D and BLEU. Pure.

COCO captions (Chen et al. 2015, arXiv:1504.00325) and NoCaps (Agrawal et al. 2019,
arXiv:1812.08658). The headline is the mean CIDEr-D divided by 10: the one published metric of
captions that is a mean over images of numbers between fixed bounds, so that it needs no clipping to
lie in [0, 1], has a standard error and can be compared image by image. A good model scores about
0.12 (papers print 120), so that beside accuracies it weighs little in a stable score: a suite of
captions alone says more. `cider_d` is the same mean on its own scale, 0 to 10.

N-grams are weighted by all images of the index, whatever the limit or the group: a caption's score
does not depend on what else was asked. Published scores of NoCaps' domains weigh by the domain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from models.evaluation.answering import FreeAnswer, majority_answer
from models.evaluation.bleu import corpus_bleu
from models.evaluation.caption_words import Words, caption_words
from models.evaluation.cider import SCALE, Cider, cider_of
from models.evaluation.discrimination import Probabilities
from models.evaluation.prompts import caption
from models.evaluation.question import Question, Row
from models.evaluation.scores import Score, mean_score
from orchestrator.errors import DataError


@dataclass(frozen=True, slots=True)
class Captioning(FreeAnswer):
    """The family of captions with several references."""

    cider: Cider | None = None
    """Weights of n-grams; None before the index is known."""

    metric = "cider_d_over_10"

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: img_path, captions (at least one), domain (if scores are given for each)."""
        captions = row.texts("captions")
        if not captions or not all(caption_words(one) for one in captions):
            raise row.refuse("captions", "a list of at least one text, all with a word in them")
        return Question(
            question_id=question_id,
            image=row.text("img_path"),
            text=caption(),
            answer=captions[0],
            group=row.optional_text("domain"),
            votes=captions,
        )

    def of_index(self, questions: Sequence[Question]) -> Self:
        """Weigh n-grams by how few images they are said of.

        Raises:
            DataError: if there is one image alone, whose words are said of every image.
        """
        if len(questions) < 2:
            raise DataError(
                "CIDEr-D cannot weigh the words of a single image",
                f"image {questions[0].image}",
                "give captions of two images or more",
            )
        return replace(self, cider=cider_of([_references(question) for question in questions]))

    def score(self, prediction: str, question: Question) -> float:
        """Return a tenth of CIDEr-D, in [0, 1]."""
        assert self.cider is not None, "of_index is called before answers are scored"
        return self.cider.score(caption_words(prediction), _references(question)) / SCALE

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return what the first caption of the index's next image scores: a caption at random."""
        others = [*questions[1:], *questions[:1]]
        return [
            self.score(other.answer, question)
            for question, other in zip(questions, others, strict=True)
        ]

    def constants(self, questions: Sequence[Question]) -> Mapping[str, str]:
        """Return the most common first caption."""
        return {f"majority_{self.metric}": majority_answer(questions)}

    def extra(
        self,
        questions: Sequence[Question],
        predictions: Sequence[str],
        probabilities: Sequence[Probabilities],
    ) -> tuple[Score, ...]:
        """Return CIDEr-D on its own scale and BLEU-1 to BLEU-4 over all captions together."""
        del probabilities
        pairs = list(zip(predictions, questions, strict=True))
        bleu = corpus_bleu(
            [caption_words(prediction) for prediction in predictions],
            [_references(question) for question in questions],
        )
        return (
            mean_score("cider_d", [SCALE * self.score(*pair) for pair in pairs]),
            *(
                Score(metric=f"bleu_{size}", value=one.value, n=len(pairs), stderr=one.stderr)
                for size, one in enumerate(bleu, start=1)
            ),
        )


def _references(question: Question) -> list[Words]:
    return [caption_words(one) for one in question.votes]
