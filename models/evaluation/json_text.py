"""Parse JSON whose texts can be tokenized and written. Pure."""

import json
from collections.abc import Callable
from typing import Any

Pairs = list[tuple[str, object]]


def parse_json(text: str, of_pairs: Callable[[Pairs], Any] | None = None) -> object:
    """Parse JSON; half of a surrogate pair, which is no text, is refused.

    Args:
        text: the JSON.
        of_pairs: makes an object of its keys and values; None for a dictionary.

    Raises:
        ValueError: if it is no JSON, or holds what UTF-8 cannot write.
    """
    value: object = json.loads(text, object_pairs_hook=of_pairs)
    if "\\ud" in text or "\\uD" in text:  # only so can JSON write a surrogate
        json.dumps(value, ensure_ascii=False).encode()
    return value
