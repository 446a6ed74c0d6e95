"""What a picture module gives back, and the one place where it becomes a file."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from orchestrator.errors import ConfigError
from orchestrator.spec.codec import Scalar
from orchestrator.store.files import replacing, write_text

ENDINGS = (".svg", ".png")
"""Kinds of file that a picture can be saved as."""

DOTS_PER_INCH = 150
"""Of a PNG, unless it would be too tall."""
MOST_DOTS = 30_000
"""Along the longer side of a PNG; viewers refuse much larger ones, Agg refuses 65,536."""

HASH_SALT = "sweep"
"""Makes the names of an SVG's elements the same in every process."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A picture with what is in it."""

    figure: Figure
    """The picture."""
    columns: tuple[str, ...]
    """Names of the values in a row."""
    rows: tuple[tuple[Scalar, ...], ...]
    """What is drawn, one row each."""


def check_ending(path: Path, endings: tuple[str, ...] = ENDINGS) -> None:
    """Refuse a file whose ending names no kind of picture.

    Raises:
        ConfigError: naming the endings that do.
    """
    if path.suffix.lower() not in endings:
        raise ConfigError(
            f"a picture cannot be written as {path.suffix or 'a file without an ending'}",
            where=str(path),
            mend=f"end the file's name in {' or '.join(endings)}",
        )


def save_picture(picture: Picture, path: Path) -> tuple[Path, Path]:
    """Write a picture, by its ending, and its rows as CSV beside it; the same picture, same bytes.

    Args:
        picture: what to write.
        path: a name that ends in one of `ENDINGS`.

    Returns:
        Paths of the picture and of its data, which is called as the picture with `.csv` added.

    Raises:
        ConfigError: if the ending names no kind of picture.
    """
    check_ending(path)
    with replacing(path) as temporary, temporary.open("wb") as file:
        if path.suffix.lower() == ".svg":
            FigureCanvasSVG(picture.figure)
            with mpl.rc_context({"svg.hashsalt": HASH_SALT, "svg.fonttype": "none"}):
                metadata = {"Date": None, "Creator": None}
                picture.figure.savefig(file, format="svg", metadata=metadata)
        else:
            FigureCanvasAgg(picture.figure)
            dots = min(DOTS_PER_INCH, MOST_DOTS / max(picture.figure.get_size_inches()))
            picture.figure.savefig(file, format="png", dpi=dots, metadata={"Software": None})
    data = path.with_name(f"{path.name}.csv")
    write_text(data, _csv(picture))
    return path, data


def _csv(picture: Picture) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(picture.columns)
    writer.writerows(picture.rows)
    return text.getvalue()
