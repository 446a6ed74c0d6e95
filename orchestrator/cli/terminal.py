"""Tables on a terminal of any width: words may break, numbers stay whole."""

import os
import sys

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

_WIDE = 200
"""Columns of what is no terminal, such as a file or a pipe: room for everything."""


def terminal() -> Console:
    """Return the terminal, or whatever takes its place."""
    is_known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console() if is_known else Console(width=_WIDE)


def whole(table: Table) -> Table:
    """Let a table lose nothing where it is too wide: names and headings break, numbers do not."""
    for column in table.columns:
        column.overflow = "fold"
        if column.justify == "right":
            column.min_width = max((cell_len(str(cell)) for cell in column.cells), default=0)
    return table
