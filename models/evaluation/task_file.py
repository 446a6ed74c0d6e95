"""Reads the text tasks that lie with the data: `<name>.yaml` and the documents it names."""

from pathlib import Path
from typing import Any, cast

import yaml

from models.evaluation.json_text import parse_json
from orchestrator.errors import DataError

Document = dict[str, Any]
"""One document of a task; its keys are the task's own."""


class Documents(list[Document]):
    """Documents as the harness wants them: a list that knows its keys. Never empty."""

    @property
    def features(self) -> Document:
        """The first document, whose keys all others have too."""
        return self[0]


def read_task(path: Path) -> tuple[dict[str, Any], Documents]:
    """Return a task's config, as lm-eval writes them, and its documents.

    The documents' file is named by `metadata: {data_file: ...}`, beside the task.

    Raises:
        DataError: if a file is missing or cannot be read.
    """
    try:
        config: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: no UTF-8
        raise DataError(
            f"the task cannot be read ({error})", str(path), "write a task of lm-eval in plain YAML"
        ) from error
    if not isinstance(config, dict):
        raise DataError("the task is no mapping", str(path), "write a task of lm-eval")
    metadata = cast(dict[str, Any], config).get("metadata")
    name = cast(dict[str, Any], metadata).get("data_file") if isinstance(metadata, dict) else None
    if not isinstance(name, str):
        raise DataError(
            "the task does not name its documents", str(path), "add metadata: {data_file: x.jsonl}"
        )
    return cast(dict[str, Any], config), _documents(path.parent / name)


def _documents(path: Path) -> Documents:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # texts may hold U+2028 and its like
        rows = [parse_json(line) for line in lines if line.strip()]
        if not rows or not all(isinstance(row, dict) for row in rows):
            raise ValueError("there must be one object on each line, and at least one")
    except (OSError, ValueError) as error:
        raise DataError(
            f"the documents cannot be read ({error})",
            where=str(path),
            mend="write one JSON object per line, all with the same keys",
        ) from error
    documents = Documents(cast(list[Document], rows))
    _check_alike(documents, path)
    return documents


def _check_alike(documents: Documents, path: Path) -> None:
    """Refuse documents that lack a key of the first, or that have the `question_id` of another."""
    seen: set[str] = set()
    for number, document in enumerate(documents, start=1):
        lacking = documents[0].keys() - document.keys()
        if lacking:
            raise DataError(
                f"document {number} lacks {', '.join(sorted(lacking))}",
                str(path),
                "give all documents the same keys",
            )
        name = str(document.get("question_id", number))
        if name in seen:
            raise DataError(
                f"the question_id {name!r} is there twice", str(path), "keep one of them"
            )
        seen.add(name)
