"""Tables as files: `<name>.csv` with every number, `.md` and `.tex` to read and to print."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from analysis.axis_words import count_words
from analysis.tables.tabulated import Entry, Row, Tabulated, Unit
from orchestrator.store.files import write_text

KINDS = ("csv", "md", "tex")
ABSENT = "missing"
"""What stands where a planned number is not there."""

_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_NAMED = 40


def save_table(table: Tabulated, folder: Path) -> tuple[Path, ...]:
    """Write a table as CSV, Markdown and LaTeX; the same table gives the same bytes."""
    texts = (frame_of(table).to_csv(index=False), markdown(table), latex(table))
    paths = tuple(folder / f"{table.name}.{kind}" for kind in KINDS)
    for path, text in zip(paths, texts, strict=True):
        write_text(path, text)
    return paths


def frame_of(table: Tabulated) -> pd.DataFrame:
    """Return one row per entry; `source` is empty where the number is ours."""
    lines: list[dict[str, object]] = []
    for row in table.rows:
        for column in table.columns:
            entry = row.entries.get(column)
            if entry is None:
                continue
            value = entry.estimate
            lines.append(
                {
                    "table": table.name,
                    "row": row.label,
                    "column": column,
                    "source": row.source,
                    "place": entry.place,
                    "unit": entry.unit.value,
                    "value": value.value if value else None,
                    "low": value.low if value else None,
                    "high": value.high if value else None,
                    "n": value.n if value else None,
                    "interval": value.method if value else None,
                    "missing": "; ".join(entry.missing) or None,
                    "run_ids": ";".join(entry.run_ids) or None,
                    "code": ";".join(entry.codes) or None,
                }
            )
    return pd.DataFrame(lines)


def markdown(table: Tabulated) -> str:
    """Return the table for people, published rows marked, what is missing below."""
    head = [table.heading, *table.columns]
    lines = [f"# {table.title}", "", _row(head), _row(["---", *["---:"] * len(table.columns)])]
    for row in table.rows:
        label = f"{row.label} (published)" if row.source else row.label
        cells = [_cell(row, column, words) for column in table.columns]
        if row.source:
            cells = [f"*{cell}*" if cell else "" for cell in cells]
        lines.append(_row([label, *cells]))
    lines += ["", f"{table.caption}{_source_words(table)}"]
    if table.missing:
        lines += ["", f"Missing ({len(table.missing)}):", ""]
        lines += [f"- {line}" for line in table.missing]
    return "\n".join(lines) + "\n"


def latex(table: Tabulated) -> str:
    """Return the table as a LaTeX `table` for the package booktabs; published rows stand apart."""
    ours = [row for row in table.rows if row.source is None]
    theirs = [row for row in table.rows if row.source is not None]
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{escaped(f'{table.title}. {table.caption}{_source_words(table)}')}}}",
        f"\\label{{tab:{table.name}}}",
        f"\\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        "\\toprule",
        _tex_row([table.heading, *table.columns]),
        "\\midrule",
        *(_tex_row([row.label, *_tex_cells(row, table)]) for row in ours),
    ]
    if theirs:
        width = len(table.columns) + 1
        lines += ["\\midrule", f"\\multicolumn{{{width}}}{{l}}{{\\emph{{published}}}} \\\\"]
        lines += [_tex_row([row.label, *_tex_cells(row, table)]) for row in theirs]
    lines += ["\\bottomrule", "\\end{tabular}", "\\end{table}"]
    named = [f"% missing: {line}" for line in table.missing[:_NAMED]]
    more = len(table.missing) - len(named)
    return "\n".join([*lines, *named, *([f"% and {more} more"] if more > 0 else [])]) + "\n"


def words(entry: Entry) -> str:
    """Return an entry's number with its interval; "missing" where it is not there."""
    value = entry.estimate
    if value is None:
        return ABSENT
    number = _number(value.value, entry.unit)
    if value.low is None or value.high is None:
        return number
    return f"{number} [{_number(value.low, entry.unit)}, {_number(value.high, entry.unit)}]"


def escaped(text: str) -> str:
    """Return text with LaTeX's special characters escaped."""
    return re.sub(r"[\\~^#$%&_{}]", lambda found: _LATEX.get(found[0], f"\\{found[0]}"), text)


def _number(value: float, unit: Unit) -> str:
    match unit:
        case Unit.SCORE:
            return f"{100 * value:.2f}"
        case Unit.COUNT:
            return f"{value:,.0f}" if abs(value) < 1e4 else count_words(value)
        case Unit.RATE:
            return f"{value:.2g}"
        case Unit.HOURS:
            return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cell(row: Row, column: str, write: Callable[[Entry], str]) -> str:
    entry = row.entries.get(column)
    return "" if entry is None else write(entry)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _tex_cells(row: Row, table: Tabulated) -> list[str]:
    return [_cell(row, column, words) for column in table.columns]


def _tex_row(cells: list[str]) -> str:
    return " & ".join(escaped(cell) for cell in cells) + " \\\\"


def _source_words(table: Tabulated) -> str:
    shown = [row for row in table.rows if any(entry.estimate for entry in row.entries.values())]
    sources = dict.fromkeys(row.source for row in shown if row.source)
    return f" Published: {'; '.join(sources)}." if sources else ""
