"""Multiple-choice text tasks for the EleutherAI harness (lm-eval). Pure.

Rows are `{"question", "choices", "answer"}`, the answer an index into the choices.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random

from models.data.prompt import question_text
from models.data.shapeworld.corpus import draw_sum, sum_question
from models.data.shapeworld.facts import Fact
from models.data.shapeworld.language import describe
from models.data.shapeworld.questions import QuestionKind, draw_question
from models.data.shapeworld.scene import COLOURS, PLACES, SHAPES, Split, draw_scenes
from models.data.shapeworld.vocabulary import LARGEST_TERM

Row = dict[str, object]
_CHOICES = 4
"""Options of a question; two of a yes/no question, and chance is counted from the rows."""

_NEAR = 5
"""Wrong sums are off by at most this."""

_OPTIONS = {
    QuestionKind.COLOUR: COLOURS,
    QuestionKind.SHAPE: SHAPES,
    QuestionKind.WHERE: PLACES,
    QuestionKind.COUNT: ("0", "1", "2", "3", "4"),
    QuestionKind.EXISTS: ("yes", "no"),
    QuestionKind.RELATION: ("yes", "no"),
}


def fact_rows(mentions: Counter[Fact], count: int, rng: Random) -> list[Row]:
    """Ask for facts that the training text states, from the best known to the rarest.

    Facts are sorted by how often they are stated and drawn in proportion to 1 / rank, without
    repeats: equally many from each octave of frequency.
    """
    ranked = sorted(mentions, key=lambda fact: (-mentions[fact], fact.name, fact.question))
    keys = {fact: rng.expovariate(1 / rank) for rank, fact in enumerate(ranked, start=1)}
    drawn = sorted(ranked, key=lambda fact: keys[fact])[:count]  # Efraimidis and Spirakis 2006
    return [
        {**_row(fact.question, fact.value, fact.relation.values, rng), "mentions": mentions[fact]}
        for fact in drawn
    ]


def sum_rows(count: int, rng: Random) -> list[Row]:
    """Ask for sums; the other options are near the right one."""
    rows: list[Row] = []
    for _ in range(count):
        a, b = draw_sum(rng)
        near = range(max(0, a + b - _NEAR), min(2 * LARGEST_TERM, a + b + _NEAR) + 1)
        rows.append(_row(sum_question(a, b), str(a + b), [str(value) for value in near], rng))
    return rows


def scene_rows(count: int, rng: Random) -> list[Row]:
    """Describe scenes of the test split and ask about them."""
    scenes = draw_scenes(rng, Split.TEST)
    rows: list[Row] = []
    for _ in range(count):
        scene = next(scenes)
        question = draw_question(scene, rng)
        text = f"{describe(scene)} {question.text}"
        rows.append(_row(text, question.answer, _OPTIONS[question.kind], rng))
    return rows


def task_yaml(name: str) -> str:
    """Return a task's declaration for lm-eval 0.4.

    Where the rows lie depends on the machine: the caller sets `dataset_kwargs.data_files` to
    `metadata.data_file` beside this file.
    """
    doc_to_text = question_text("{{question}}").replace("\n", "\\n")
    return "\n".join(
        [
            f"task: {name}",
            "dataset_path: json",
            "test_split: test",
            "output_type: multiple_choice",
            f'doc_to_text: "{doc_to_text}"',
            "doc_to_choice: choices",
            "doc_to_target: answer",
            'target_delimiter: " "',
            "num_fewshot: 0",
            "metric_list:",
            "  - metric: acc",
            "    aggregation: mean",
            "    higher_is_better: true",
            "metadata:",
            "  version: 1",
            f"  data_file: {name}.jsonl",
            "",
        ]
    )


def _row(question: str, answer: str, values: Sequence[str], rng: Random) -> Row:
    others = [value for value in values if value != answer]
    choices = [answer, *rng.sample(others, min(_CHOICES - 1, len(others)))]
    rng.shuffle(choices)
    return {"question": question, "choices": choices, "answer": choices.index(answer)}
