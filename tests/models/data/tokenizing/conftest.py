"""A tokenizer of GPT-NeoX's convention, and the plain reading that tokenizing is held against."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

TEXTS = (
    "The quick brown fox jumps over the lazy dog.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. 你好",
    "def f(x):\n    return x + 1\n",
)


def bare_tokenizer() -> Tokenizer:
    """Return a byte-level tokenizer that adds, cuts and pads nothing; ids 0 and 1 as NeoX's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return tokenizer


@pytest.fixture(scope="session")
def tokenizer_json(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same tokenizer, in a file that asks for a first token, for cutting and for padding."""
    tokenizer = bare_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
    )
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(pad_id=1, pad_token="<|padding|>", length=8)
    path = tmp_path_factory.mktemp("a tokenizer's") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture(scope="session")
def plain_ids() -> Callable[[Sequence[str]], list[list[int]]]:
    """Tokenizes texts one by one, each with its end of text."""
    tokenizer = bare_tokenizer()
    return lambda texts: [[*tokenizer.encode(text).ids, 0] for text in texts]


@pytest.fixture(scope="session")
def jsonl() -> Callable[[Path, Sequence[object]], Path]:
    """Writes a file with one JSON value a line."""

    def write(path: Path, values: Sequence[object]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(value, ensure_ascii=False) + "\n" for value in values)
        path.write_text("".join(lines), encoding="utf-8")
        return path

    return write
