"""Tables lose nothing on a narrow terminal, nor in a pipe."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from orchestrator.cli.terminal import terminal, whole

NAMES = ("accuracy_with_shuffled_images_of_adversarial_questions", "accuracy_with_given_images")
NUMBERS = ("8.92e+13", "0.000991")


def shown(width: int) -> str:
    table = Table("metric", title="what was measured")
    table.add_column("the number of floating-point operations", justify="right")
    for name, number in zip(NAMES, NUMBERS, strict=True):
        table.add_row(name, number)
    written = io.StringIO()
    Console(file=written, width=width).print(whole(table))
    return written.getvalue()


def test_a_narrow_table_breaks_names_and_no_numbers() -> None:
    lines = shown(40).splitlines()
    assert all(len(line) <= 40 for line in lines)
    first = "".join(line.split("│")[1].strip() for line in lines if line.startswith("│"))
    assert first == "".join(NAMES)
    assert all(any(number in line for line in lines) for number in NUMBERS)


def test_where_there_is_room_every_row_is_one_line() -> None:
    lines = shown(200).splitlines()
    assert all(any(name in line for line in lines) for name in NAMES)


def test_what_is_no_terminal_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal().width >= 200
    monkeypatch.setenv("COLUMNS", "72")
    assert terminal().width == 72
