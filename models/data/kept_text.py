"""The documents that a filter keeps, as token shards, with a table of all that it has scored."""

# pyarrow ships no types:
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import shutil
from pathlib import Path

import numpy as np

from models.data.documents import Documents, joined_sequences
from models.data.kept import Scores, check_source, score_columns, source_text
from models.data.shards import token_index, write_token_shards
from models.manifest import verify, write_manifest
from orchestrator.errors import DataError
from orchestrator.spec.source import DataSource
from orchestrator.store.files import replacing
from orchestrator.store.layout import RunFolder

DOCUMENTS = "documents.parquet"
"""Beside the shards: which documents they hold, and which were dropped."""
KIND = "text"
"""Key of the table's metadata under which the scored source is named."""
SEQUENCES_PER_SHARD = 8192
"""As OpenLM's scripts write them."""


def text_folder(run: RunFolder) -> Path:
    """Return where a filter's run leaves the token shards of the documents that it keeps."""
    return run.artifacts / "kept" / "text"


def write_text(
    run: RunFolder, source: DataSource, documents: Documents, scores: Scores, seq_len: int
) -> tuple[int, int]:
    """Write the documents that are kept as token shards, with a table of all and an index.

    Args:
        run: the filter's run.
        source: what was scored.
        documents: of the whole part.
        scores: of the documents; the same ones give the same bytes.
        seq_len: T.

    Returns:
        Sequences written, and ids at the end that fill none.

    Raises:
        DataError: if what is kept fills no sequence.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    chosen = np.flatnonzero(scores.kept).astype(np.int64)
    sequences, left_over = joined_sequences(documents, chosen, seq_len)
    if len(sequences) == 0:
        raise DataError(
            f"the documents kept have {left_over} ids, less than one sequence of {seq_len + 1}",
            where=source.name,
            mend="keep a larger share, or filter more text",
        )
    folder = text_folder(run)
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was cut short
    write_token_shards(folder, list(sequences), SEQUENCES_PER_SHARD)
    columns = {
        "document": np.arange(len(documents)),
        "first_id": documents.starts[:-1],
        **score_columns(scores),
    }
    table = pa.table(columns).replace_schema_metadata({KIND: source_text(source)})
    with replacing(folder / DOCUMENTS) as temporary:
        pq.write_table(table, temporary)
    write_manifest(folder)
    token_index(folder).write()
    return len(sequences), left_over


def read_text(run: RunFolder, source: DataSource) -> Path:
    """Return the token shards of what a filter's run keeps of a source.

    Raises:
        RecordError: if they are missing or damaged, or of another source.
    """
    folder = text_folder(run)
    verify(folder)
    check_source(folder / DOCUMENTS, KIND, source)
    return folder
