"""Choose some of a benchmark's questions, the same ones in every process and on every machine."""

import hashlib
from collections.abc import Sequence


def subset(question_ids: Sequence[str], limit: int | None) -> list[int]:
    """Return the positions of `limit` questions in ascending order; all of them for None.

    Those with the smallest SHA-256 of their id are taken: a larger limit adds to a smaller one.
    """
    if limit is None or limit >= len(question_ids):
        return list(range(len(question_ids)))
    ranked = sorted(range(len(question_ids)), key=lambda i: (_rank(question_ids[i]), i))
    return sorted(ranked[:limit])


def _rank(question_id: str) -> str:
    return hashlib.sha256(question_id.encode()).hexdigest()
