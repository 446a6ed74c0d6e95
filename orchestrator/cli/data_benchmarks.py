"""`sweep data benchmarks`: make benchmarks of their published files."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from orchestrator.worker.function import load_function

_Object = dict[str, Any]
_Prepare = Callable[[str, Path, Path, Mapping[str, object], Callable[[str], None]], _Object]
_List = Callable[[], list[_Object]]

_PREPARE = "models.data.benchmarks:prepare"
_LIST = "models.data.benchmarks:published"

benchmarks = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Make benchmarks of their published files.",
)


@benchmarks.command()
def prepare(  # noqa: PLR0913  (each is an option of the command)
    name: Annotated[str, typer.Argument(metavar="NAME", help="a data set that `list` names")],
    *,
    source: Annotated[
        Path,
        typer.Option(
            "--from", help="folder of the published files, or vlm-evaluation's index file"
        ),
    ],
    root: Annotated[Path, typer.Option("--data", help="folder of data collections")] = Path(
        "results/data"
    ),
    into: Annotated[
        str, typer.Option(metavar="COLLECTION-VERSION/PART", help="the part of data to make it in")
    ] = "benchmarks-1/vision",
    name_as: Annotated[
        str | None, typer.Option("--as", help="its name there; absent, the data set's")
    ] = None,
    images: Annotated[
        str, typer.Option(help="how images get there: link, copy or symlink")
    ] = "link",
    partial: Annotated[
        bool, typer.Option("--partial", help="take what is there, if it is less than published")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="read and check, write nothing")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="print what was made as one object")
    ] = False,
) -> None:
    """Make a benchmark of published files; a call that was cut short goes on.

    Sizes are held against the published ones. Other benchmarks of the part stay.

    Example: sweep data benchmarks prepare gqa --from downloads/gqa
    """
    run = cast(_Prepare, load_function(_PREPARE))
    options = {"name": name_as, "placing": images, "partial": partial, "dry_run": dry_run}
    made = run(name, source, root / into, options, lambda line: typer.echo(line, err=True))
    typer.echo(json.dumps(made) if as_json else _summary(made))


@benchmarks.command("list")
def list_all(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per data set")] = False,
) -> None:
    """List the data sets that can be prepared, their sizes and the files that are read.

    Example: sweep data benchmarks list
    """
    for one in cast(_List, load_function(_LIST))():
        typer.echo(json.dumps(one) if as_json else _described(one))


def _summary(made: _Object) -> str:
    does = "made" if made["written"] else "would make"
    lines = [
        f"{does} {', '.join(made['benchmarks'])} in {made['part']}: "
        f"{made['questions']:,} questions about {made['images']:,} images"
    ]
    counts = {"questions left out, their image is missing": made["missing_images"]}
    counts |= {name.replace("_", " "): count for name, count in made["problems"].items()}
    lines += [f"  {count:,} {what}" for what, count in counts.items() if count]
    tokenizer = Path(made["part"]).parent / "tokenizer.json"
    if not tokenizer.exists():
        lines.append(f"  an evaluation needs the models' tokenizer: put it at {tokenizer}")
    return "\n".join(lines)


def _described(one: _Object) -> str:
    sizes = " or ".join(f"{size:,}" for size in one["questions"])
    images = "" if one["images"] is None else f" about {one['images']:,} images"
    lines = [f"{one['name']}: {sizes} questions{images}, from {one['source']}"]
    lines.append(f"  makes {', '.join(one['benchmarks'])}")
    return "\n".join([*lines, *(f"  reads {file}" for file in one["files"])])
