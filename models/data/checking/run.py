"""Checking data of any of the formats."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from models.data.checking.captions import check_captions
from models.data.checking.conversations import check_conversations
from models.data.checking.finding import Expected, Finding, shortened
from models.data.checking.tokens import check_token_shards
from models.data.kinds import PartKind, conversations_file, part_kind
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.codec import Plain


def check(path: Path, expected: Mapping[str, object]) -> Iterator[dict[str, Plain]]:
    """Yield what is wrong with a part of data: file, index, what and how to mend it.

    Args:
        path: folder of a part, or a file of LLaVA's rows.
        expected: fields of `models.data.checking.finding.Expected`; those absent are None.

    Raises:
        DataError: if there is no data, or the tokenizer that is named is missing.
    """
    wanted = _expected(expected)
    if wanted.tokenizer is not None and not wanted.tokenizer.is_file():
        raise DataError(
            "the tokenizer is missing", str(wanted.tokenizer), "name Hugging Face's tokenizer.json"
        )
    yield from (asdict(finding) for finding in shortened(_findings(path, wanted)))


def _findings(path: Path, expected: Expected) -> Iterator[Finding]:
    match part_kind(path):
        case PartKind.TOKENS:
            yield from check_token_shards(path, expected)
        case PartKind.CAPTIONS:
            yield from check_captions(path, expected)
        case PartKind.CONVERSATIONS:
            yield from check_conversations(conversations_file(path))


def _expected(values: Mapping[str, object]) -> Expected:
    tokenizer, vocab_size, seq_len = (
        values.get(name) for name in ("tokenizer", "vocab_size", "seq_len")
    )
    for name, value in (("vocab_size", vocab_size), ("seq_len", seq_len)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ConfigError(f"{name} is {value}, less than 1", name, "give a count from 1 on")
    return Expected(
        tokenizer=tokenizer if isinstance(tokenizer, Path) else None,
        vocab_size=vocab_size if isinstance(vocab_size, int) else None,
        seq_len=seq_len if isinstance(seq_len, int) else None,
    )
