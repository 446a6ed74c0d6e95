"""The `sweep` command: its subcommands, its errors and its logging."""

import errno
import importlib
import logging
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from orchestrator.errors import SweepError

_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)

USER_ERROR = 2
"""Exit code for what a user can mend; 1 is a bug, 0 is done."""

COMMANDS = {
    "plan": "Show what a study would run, what it shares, what it costs and how long it takes.",
    "why": "Say why a run exists: what it serves, needs and saves, and what it is like.",
    "diff": "Say what study B adds to, drops from and keeps of study A, run by run.",
    "doctor": "Check this machine, a cluster and a study before a launch, and say what to mend.",
    "launch": "Run a study and stay until it is done. Launching again goes on where it stands.",
    "status": "Show where a study stands: what is done, running, failed and blocked.",
    "logs": "Show what a run printed.",
    "cancel": "Let runs save and end, and do not start them again until `sweep retry`.",
    "retry": "Go on with runs, whatever happened to them before: the next launch tries them again.",
    "pause": "Keep runs from starting; what runs goes on.",
    "resume": "Let runs start again that were paused.",
    "gc": "Remove checkpoints that no unfinished run needs and the policy does not keep.",
    "sync": "Send what runs recorded offline to Weights & Biases, run by run, slowly enough.",
    "dashboard": "Make or update the study's W&B workspace: curves by stage, scores over axes.",
    "results": "Gather the numbers of finished runs into tables/results.parquet and .csv.",
    "fit": "Fit losses, and scores over one axis and all, with intervals; writes fits/*.json.",
    "figures": "Draw the study's figures as PNG and PDF, each with its numbers in a CSV beside it.",
    "report": "Write one HTML page: plan, progress, costs, figures, tables, fits, what is missing.",
    "data": "Make, tokenize, count, check and index data.",
    "cluster": "Start and stop a real Slurm on this machine, to rehearse on.",
}
"""Subcommands, each with the first sentence of its own help: the list needs no import of them."""

_FILES: dict[str, str] = dict.fromkeys(("cancel", "retry", "pause", "resume"), "steering")
"""Where subcommands lie that have no file of their own."""

_NESTED = {"results compare": "compare"}
"""Subcommands of a command that itself takes a study, and the function behind each."""


class _LazyGroup(TyperGroup):
    """Imports a subcommand when it is run, so that the others do not wait for it."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  (Click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  (Click's signature)
        """Return a line of the list; `resolve_command` returns what is run."""
        text = COMMANDS.get(cmd_name)
        return None if text is None else TyperCommand(name=cmd_name, help=text)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        nested = " ".join(args[:2])
        if nested in _NESTED:
            return nested, _command(_NESTED[nested]), args[2:]
        if args[0] in COMMANDS:
            return args[0], _command(args[0]), args[1:]
        return super().resolve_command(ctx, args)


def _command(name: str) -> Any:
    module = importlib.import_module(f"orchestrator.cli.{_FILES.get(name, name)}")
    command = getattr(module, name)
    if isinstance(command, typer.Typer):
        return typer.main.get_command(command)
    single = typer.Typer(add_completion=False)
    single.command(name=name)(command)
    return typer.main.get_command(single)


app = typer.Typer(
    cls=_LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Declare a scaling study in one YAML file, run it, and get fitted curves and figures.",
)


@app.callback()
def _configure() -> None:
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )


def main() -> None:
    """Run the command; what a user can mend is printed without a traceback."""
    try:
        app(prog_name="sweep")
    except SweepError as error:
        _refuse(error)
    except OSError as error:
        if error.errno not in _NOT_OURS or error.filename is None:
            raise
        _refuse(_not_ours(error))


def _refuse(error: SweepError) -> NoReturn:
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    print(f"sweep {command}: {error}", file=sys.stderr)
    raise SystemExit(USER_ERROR) from None


def _not_ours(error: OSError) -> SweepError:
    """Say kindly that a file or folder is somebody else's, or on a disk that is only read."""
    path = Path(error.filename)
    there = next((place for place in (path, *path.parents) if place.exists()), path)
    try:
        owner = f"it belongs to {there.owner()}"
    except (OSError, KeyError, NotImplementedError):
        owner = "its owner is not known"
    return SweepError(
        f"{os.strerror(error.errno or 0).lower()}; {owner}",
        str(path),
        "work as its owner, or give --results and --data folders that you may write in",
    )


if __name__ == "__main__":
    main()
