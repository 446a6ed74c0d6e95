"""A sheet to draw on in inches from the upper left corner, with its title and legend."""

from collections.abc import Mapping
from functools import cache

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.figures.style import GREY

TITLE_POINTS = 11
NOTE_POINTS = 7.5
POINTS_PER_INCH = 72
SLACK = 1.04
"""How much wider a line of small text may be drawn, by rounding to pixels."""
EM = 100
"""Size in points at which letters are measured; their widths grow with the size."""
FIXED_POINT = 65_536
"""FreeType tells advances in 16.16 fixed point."""

MARGIN = 0.15
"""Inches left free around everything."""
LINE = 0.15
"""Inches from one line of a note to the next."""


def sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure with axes that cover it, in inches, y growing downwards."""
    figure = Figure(figsize=(width, height))
    figure.set_facecolor("white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    return figure, axes


def head(figure: Figure, title: str, note: str, colours: Mapping[str, str]) -> None:
    """Write the title, a note below it, and a legend below that.

    Args:
        figure: at least as wide as `head_width` says.
        title: one line.
        note: any number of lines.
        colours: the legend's words and the colour of each.
    """
    width, height = (float(side) for side in figure.get_size_inches())
    left = MARGIN / width
    figure.text(
        left, 1 - 0.12 / height, title,
        fontsize=TITLE_POINTS, weight="bold", va="top", parse_math=False,
    )  # fmt: skip
    figure.text(
        left, 1 - 0.37 / height, note,
        fontsize=NOTE_POINTS, color=GREY, va="top", parse_math=False,
    )  # fmt: skip
    figure.legend(
        handles=[Patch(color=colour, label=words) for words, colour in colours.items()],
        loc="upper left",
        bbox_to_anchor=(left, 1 - (head_height(note) - 0.33) / height),
        ncols=max(1, len(colours)),
        fontsize=NOTE_POINTS,
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=1.2,
        columnspacing=1.4,
    )


def head_width(title: str, note: str, colours: Mapping[str, str]) -> float:
    """Return the inches that a figure's head needs."""
    legend = sum(text_width(words, NOTE_POINTS) + 0.42 for words in colours)
    lines = [text_width(line, NOTE_POINTS) for line in note.splitlines()]
    return 2 * MARGIN + max(text_width(title, TITLE_POINTS, "bold"), legend, *lines)


def head_height(note: str) -> float:
    """Return the inches that a figure's head takes, free space below it included."""
    return 0.7 + LINE * len(note.splitlines())


def counted(count: int, word: str) -> str:
    """Say how many there are of something, such as `1 run` and `1,200 runs`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def text_width(words: str, points: float, weight: str = "normal") -> float:
    """Return the inches that a line of text takes in matplotlib's own font."""
    return SLACK * points / POINTS_PER_INCH * sum(_advance(letter, weight) for letter in words)


@cache
def _advance(letter: str, weight: str) -> float:
    """Return how far a letter moves the next one, in sizes of the font."""
    path = font_manager.findfont(font_manager.FontProperties(weight=weight))
    font = font_manager.get_font(path)
    font.set_size(EM, POINTS_PER_INCH)
    return font.load_char(ord(letter)).linearHoriAdvance / FIXED_POINT / EM
