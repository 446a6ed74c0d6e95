"""Logs of training jobs become lines that can be judged."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.launch.log_tail import (
    LINE_CHARACTERS,
    MOST_LINES,
    TAIL_BYTES,
    clean_lines,
    read_tail,
)

HEAD = "Traceback (most recent call last):"


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        ("a\n\n  \nb\n", ("a", "b")),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07words", ("red words",)),
        (" 1%|#\r 2%|##\rdone\n", (" 1%|#", " 2%|##", "done")),
        ("[rank12]: deep", ("deep",)),
        ("[default0]:[rank0]: deep", ("deep",)),
        ("  3: of srun", ("of srun",)),
        ("12:30:01 is a time", ("12:30:01 is a time",)),
        (f"50%|## | 5/10{HEAD}", (HEAD,)),
        (f"Original {HEAD}", (f"Original {HEAD}",)),
        ("same\nsame\nother\nsame\n", ("same", "other")),
        ("  frame\n  frame\n", ("  frame", "  frame")),
        ("a\x00b\x07c", ("abc",)),
    ],
)
def test_what_hides_the_words_is_taken_away(raw: str, lines: tuple[str, ...]) -> None:
    assert clean_lines(raw.encode()) == lines


def test_long_lines_keep_both_ends() -> None:
    (line,) = clean_lines(b"begin" + b"x" * 1_00_000 + b"end")
    assert line.startswith("begin")
    assert line.endswith("end")
    assert len(line) < LINE_CHARACTERS + 10


def test_the_last_of_many_lines_are_kept() -> None:
    lines = clean_lines("".join(f"line {n}\n" for n in range(3 * MOST_LINES)).encode())
    assert len(lines) == MOST_LINES
    assert lines[-1] == f"line {3 * MOST_LINES - 1}"


@given(st.binary(max_size=500))
def test_no_bytes_are_a_crash(raw: bytes) -> None:
    assert all("\n" not in line and line.strip() for line in clean_lines(raw))


def test_the_end_of_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"a" * TAIL_BYTES + b"the end")
    tail = read_tail(path)
    assert len(tail) == TAIL_BYTES
    assert tail.endswith(b"the end")
    path.write_bytes(b"short")
    assert read_tail(path) == b"short"
    assert read_tail(tmp_path / "missing") == b""
    assert read_tail(tmp_path) == b""
