"""Which captions of a part a filter keeps: a table with a line for each, and its manifest."""

# pyarrow ships no types:
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.manifest import verify, write_manifest
from orchestrator.errors import RecordError
from orchestrator.spec.source import DataSource
from orchestrator.store.files import replacing
from orchestrator.store.layout import RunFolder

TABLE = "captions.parquet"
KIND = "captions"
"""Key of the table's metadata under which the scored source is named."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """How surprising each caption or document of a part is, in the part's order. n of them."""

    tokens: NDArray[np.int64]
    """Scored ids, `END_OF_TEXT` among them, (n,)."""
    nats: NDArray[np.float64]
    """Mean loss in nats per scored id, (n,)."""
    kept: NDArray[np.bool_]
    """Whether it is kept, (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """The captions of a part that are read."""

    numbers: NDArray[np.int64]
    """Their numbers, ascending. At least one."""
    of: int
    """Captions of the part."""


def kept_folder(run: RunFolder) -> Path:
    """Return where a filter's run leaves its table."""
    return run.artifacts / "filter"


def write_scores(run: RunFolder, source: DataSource, keys: Sequence[str], scores: Scores) -> None:
    """Leave a filter's table, and the manifest that vouches for it.

    Args:
        run: the filter's run.
        source: what was scored.
        keys: names of the images, in the part's order.
        scores: of the captions; the same ones give the same bytes.
    """
    import pyarrow as pa  # takes tenths of a second that no other stage should wait for
    import pyarrow.parquet as pq

    columns = {"sample": np.arange(len(keys)), "image": list(keys), **score_columns(scores)}
    table = pa.table(columns).replace_schema_metadata({KIND: source_text(source)})
    folder = kept_folder(run)
    with replacing(folder / TABLE) as temporary:
        pq.write_table(table, temporary)
    write_manifest(folder)


def read_kept(run: RunFolder, source: DataSource) -> Kept:
    """Return which captions of a source a filter's run keeps.

    Raises:
        RecordError: if the table is missing or damaged, or of another source.
    """
    import pyarrow.parquet as pq

    folder = kept_folder(run)
    verify(folder)
    check_source(folder / TABLE, KIND, source)
    table = pq.read_table(folder / TABLE, columns=["kept"])
    kept = table.column("kept").to_numpy()
    return Kept(numbers=np.flatnonzero(kept).astype(np.int64), of=len(kept))


def score_columns(scores: Scores) -> dict[str, NDArray[np.generic]]:
    """Return the columns that tables of captions and of documents share."""
    return {
        "tokens": scores.tokens,
        "nats_per_token": scores.nats,
        "perplexity": np.exp(scores.nats),
        "kept": scores.kept,
    }


def check_source(table: Path, kind: str, source: DataSource) -> None:
    """Refuse a table of another source.

    Args:
        table: the table.
        kind: what it scores, the key of its metadata: `captions` or `text`.
        source: what it should be of.

    Raises:
        RecordError: naming both.
    """
    import pyarrow.parquet as pq

    metadata = pq.read_schema(table).metadata or {}
    scored = metadata.get(kind.encode(), b"nothing").decode()
    if scored != source_text(source):
        raise RecordError(
            f"the filter has scored {scored}, not {source_text(source)}",
            where=str(table),
            mend=f"filter the {kind} that is trained on",
        )


def source_text(source: DataSource) -> str:
    """Return how a table names the source that it scores."""
    return f"{source.name} at {source.version}"
