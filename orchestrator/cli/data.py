"""`sweep data`: make, tokenize, count, check and index data."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from orchestrator.cli.data_benchmarks import benchmarks
from orchestrator.store.data_folder import collection_folder, ensure_made
from orchestrator.store.study_plan import load_plan
from orchestrator.worker.function import load_function

WRONG = 2
"""Exit code of `check` where something is wrong: what a user can mend."""

_Object = dict[str, Any]
_Tokenize = Callable[
    [Sequence[Path], Path, Path, Mapping[str, object], Callable[[str], None]], _Object
]
_Count = Callable[[Path], _Object]
_Check = Callable[[Path, Mapping[str, object]], Iterator[_Object]]
_Index = Callable[[Sequence[Path], int, Callable[[str], None]], Iterator[_Object]]

_TOKENIZE = "models.data.tokenizing:tokenize"
_COUNT = "models.data.counting:count"
_CHECK = "models.data.checking:check"
_INDEX = "models.data.parts:index_parts"

data = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Make, tokenize, count, check and index data.",
)
data.add_typer(benchmarks, name="benchmarks")


@data.command()
def make(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study to make data for")],
    root: Annotated[Path, typer.Option("--data", help="folder of data collections")] = Path(
        "results/data"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per collection")] = False,
) -> None:
    """Make a study's own data; what is there already is left alone.

    Example: sweep data make sweeps/demo.yaml
    """
    began = time.monotonic()
    plan = load_plan(study)
    made = ensure_made(plan, root, _tell)
    if as_json:
        for item in plan.made:
            folder = collection_folder(root, item.name, item.version)
            line = {"name": item.name, "folder": str(folder), "made": folder in made}
            typer.echo(json.dumps(line))
        return
    for folder in made:
        typer.echo(f"made {folder} in {time.monotonic() - began:.0f} s")
    if not made:
        folders = [str(collection_folder(root, item.name, item.version)) for item in plan.made]
        typer.echo(f"nothing to make: {', '.join(folders) or 'the study makes no data'}")


@data.command()
def tokenize(  # noqa: PLR0913  (each is an option of the command)
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="files of documents (.jsonl, .jsonl.gz, .jsonl.zst, .parquet, .txt), or folders",
        ),
    ],
    *,
    tokenizer: Annotated[Path, typer.Option(help="Hugging Face's tokenizer.json")],
    out: Annotated[Path, typer.Option(help="folder of the shards: <collection>-<version>/<part>")],
    seq_len: Annotated[int, typer.Option(min=1, help="a sequence has one id more than this")],
    field: Annotated[str, typer.Option(help="key or column of a document's text")] = "text",
    shuffle_seed: Annotated[
        int | None, typer.Option(help="shuffle the documents; absent, their order is kept")
    ] = None,
    sequences_per_shard: Annotated[int, typer.Option(min=1, help="but the last has fewer")] = 8192,
    vocab_size: Annotated[
        int | None, typer.Option(min=1, help="of the model; a larger tokenizer is refused")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="processes, each on one core")] = 1,
    max_bad: Annotated[
        int, typer.Option(min=0, help="documents that may be left out; more are refused")
    ] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="print the record as one object")] = False,
) -> None:
    """Turn documents into OpenLM's token shards; a call that was cut short goes on.

    INPUT is a file of documents (.jsonl, .jsonl.gz, .jsonl.zst, .parquet, .txt) or a folder of
    them. Each document ends with <|endoftext|>, none begins with a token of its own. Any number of
    workers makes the same bytes.

    Example: sweep data tokenize pile/*.jsonl.zst --tokenizer neox/tokenizer.json --seq-len 2048
    --out results/data/pile-1/text --workers 16
    """
    options = {
        "seq_len": seq_len,
        "field": field,
        "order": "file" if shuffle_seed is None else "shuffled",
        "seed": shuffle_seed,
        "sequences_per_shard": sequences_per_shard,
        "vocab_size": vocab_size,
        "workers": workers,
        "max_bad": max_bad,
    }
    run = cast(_Tokenize, load_function(_TOKENIZE))
    record = run(inputs, tokenizer, out, options, _tell)
    if as_json:
        typer.echo(json.dumps(record))
    else:
        typer.echo(
            f"{out}: {record['documents']:,} documents in {record['sequences']:,} sequences of "
            f"{seq_len:,} tokens, {len(record['shards']):,} shards; {record['bad_documents']:,} "
            f"documents left out, {record['tokens_left_over']:,} tokens left over"
        )


@data.command()
def count(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="folders of parts, or files of LLaVA's rows"),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per path")] = False,
) -> None:
    """Count tokens, sequences, documents, images, captions, rows and bytes, file by file.

    Example: sweep data count results/data/pile-1/text
    """
    counted = cast(_Count, load_function(_COUNT))
    for path in paths:
        counts = counted(path)
        typer.echo(json.dumps(counts) if as_json else _count_table(counts))


@data.command()
def check(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="folders of parts, or files of LLaVA's rows"),
    ],
    *,
    tokenizer: Annotated[
        Path | None, typer.Option(help="that the data must fit; absent, the collection's own")
    ] = None,
    vocab_size: Annotated[
        int | None, typer.Option(min=1, help="of the model; absent, the tokenizer's")
    ] = None,
    seq_len: Annotated[
        int | None, typer.Option(min=1, help="of the model; absent, what the data say")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per finding")] = False,
) -> None:
    """Find what is wrong with data: missing, damaged, doubled or unfit; exit code 2 if anything is.

    Example: sweep data check results/data/pile-1/text --vocab-size 50432
    """
    run = cast(_Check, load_function(_CHECK))
    expected = {"tokenizer": tokenizer, "vocab_size": vocab_size, "seq_len": seq_len}
    wrong = 0
    for path in paths:
        for finding in run(path, expected):
            wrong += 1
            typer.echo(json.dumps(finding) if as_json else _finding_text(finding))
    if not as_json:
        typer.echo(f"{wrong} found" if wrong else "nothing wrong was found")
    if wrong:
        raise typer.Exit(WRONG)


@data.command()
def index(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="folders of parts")],
    *,
    max_bad: Annotated[
        int, typer.Option(min=0, help="samples of a part that may be left out; more are refused")
    ] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per part")] = False,
) -> None:
    """Read every sample once, so that jobs open the data in no time, and name the bad ones.

    Captioned images and instruction rows that nothing can be learnt from are left out of training.
    Data of more bad samples are refused, here and, without an index, by each job.

    Example: sweep data index results/data/datacomp-1b/captions --max-bad 1000
    """
    run = cast(_Index, load_function(_INDEX))
    for part in run(paths, max_bad, _tell):
        typer.echo(json.dumps(part) if as_json else _index_text(part))


def _index_text(part: _Object) -> str:
    """Return a line for the part, and one for each sample that is left out."""
    names = ", ".join(part["indexes"]) or "it needs none"
    lines = [f"  {one['place']}: {one['reason']}" for one in part["left_out"]]
    return "\n".join([f"{part['path']}: {names}; {len(lines):,} samples left out", *lines])


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _count_table(counts: _Object) -> str:
    """Return a line for each file, and their total, in columns."""
    total: dict[str, int] = counts["total"]
    rows: list[list[str]] = [["file", *total]]
    for entry in (*counts["files"], {"file": "in all", **total}):
        numbers = [f"{entry[name]:,}" if name in entry else "" for name in total]
        rows.append([str(entry["file"]), *numbers])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    ]
    return "\n".join([f"{counts['path']}: {counts['kind']}", *lines])


def _finding_text(finding: _Object) -> str:
    place = "" if finding["index"] is None else f": {finding['index']}"
    return f"{finding['file']}{place}: {finding['what']}\n  mend:  {finding['mend']}"
