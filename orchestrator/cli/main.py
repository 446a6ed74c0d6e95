"""The `sweep` command: its subcommands, its errors and its logging."""

import importlib
import logging
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from orchestrator.errors import SweepError

USER_ERROR = 2
"""Exit code for what a user can mend; 1 is a bug, 0 is done."""

_COMMANDS = ("plan", "launch", "status", "logs", "results", "fit", "figures", "report", "data")


class _LazyGroup(TyperGroup):
    """Imports a subcommand when it is asked for, so that `sweep plan` stays quick."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  (Click's signature)
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  (Click's signature)
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"orchestrator.cli.{cmd_name}")
        command = getattr(module, cmd_name)
        if isinstance(command, typer.Typer):
            return typer.main.get_command(command)
        single = typer.Typer(add_completion=False)
        single.command(name=cmd_name)(command)
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
        command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        print(f"sweep {command}: {error}", file=sys.stderr)
        raise SystemExit(USER_ERROR) from None


if __name__ == "__main__":
    main()
