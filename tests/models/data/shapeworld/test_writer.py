"""Text as it is written: facts count as known only if the text states them whole."""

from pathlib import Path

import pytest

from models.data.prompt import answer_text, question_text
from models.data.shapeworld.config import ShapeworldConfig
from models.data.shapeworld.facts import Fact
from models.data.shapeworld.scene import Split
from models.data.shapeworld.writer import WorldWriter
from models.data.shards import open_token_shards
from orchestrator.spec.codec import decode


def said(fact: Fact) -> tuple[str, str]:
    dialogue = question_text(fact.question) + answer_text(fact.value)
    return fact.statement, " ".join(dialogue.lower().split())


@pytest.mark.parametrize("sequences", range(1, 21))
def test_facts_are_counted_where_the_text_states_them(
    options: dict[str, object], tmp_path: Path, sequences: int
) -> None:
    config = decode(ShapeworldConfig, options)
    writer = WorldWriter(config, tmp_path, [].append)
    mentions = writer.text("text", Split.TRAIN, sequences)
    ids = open_token_shards(tmp_path / "text", config.seq_len)
    assert ids.shape == (sequences, config.seq_len + 1)
    text = writer.tokenizer.decode(ids.ravel().tolist())
    for fact, count in mentions.items():
        assert sum(text.count(words) for words in said(fact)) >= count
