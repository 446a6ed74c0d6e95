"""The one place where figures become files: `<name>.png`, `.pdf` and the numbers in `.csv`."""

import gc
import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf

from analysis.figures.drawn import Drawn, NotDrawn
from orchestrator.store.files import replacing, write_text

PNG_DOTS_PER_INCH = 150


def save(drawn: Drawn, folder: Path) -> tuple[Path, Path, Path]:
    """Write a figure and its data; the same figure gives the same bytes.

    Args:
        drawn: what to write.
        folder: where to.

    Returns:
        Paths of the PNG, the PDF and the CSV.
    """
    png, pdf, csv = (folder / f"{drawn.name}.{kind}" for kind in ("png", "pdf", "csv"))
    # The canvases are asked themselves: `savefig` would draw everything once more before each.
    with replacing(png) as temporary, temporary.open("wb") as file:
        drawn.figure.set_dpi(PNG_DOTS_PER_INCH)
        FigureCanvasAgg(drawn.figure).print_png(file)
    with replacing(pdf) as temporary, temporary.open("wb") as file:
        drawn.figure.set_layout_engine("none")  # keep what the PNG's layout found
        FigureCanvasPdf(drawn.figure).print_pdf(file, metadata={"CreationDate": None})
    write_text(csv, drawn.data.to_csv(index=False))
    return png, pdf, csv


def save_each(
    items: Iterable[Drawn | NotDrawn], folder: Path, processes: int
) -> tuple[Drawn | NotDrawn, ...]:
    """Write figures as they are drawn, each in a fork of this process while the next is drawn.

    The files are those of `save`. What a fork could not write is written here, where its error
    can be seen. Without forks (beyond Linux, or with one process) all is written here.

    Args:
        items: each drawn when it is asked for; what could not be drawn is passed on.
        folder: where to.
        processes: how many may write at once.
    """
    done: list[Drawn | NotDrawn] = []
    writing: dict[int, Drawn] = {}
    for item in items:
        done.append(item)
        if isinstance(item, NotDrawn):
            continue
        if processes < 2 or sys.platform != "linux":
            save(item, folder)
            continue
        if len(writing) == processes:
            _wait(writing, folder)
        writing[_forked(item, folder)] = item
    while writing:
        _wait(writing, folder)
    return tuple(done)


def _forked(drawn: Drawn, folder: Path) -> int:
    """Write a figure in a fork and return its process id."""
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads: those of the array libraries are idle here,
        # and take care of forks themselves.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        code = 1
        gc.disable()  # the fork ends before its memory matters
        try:
            save(drawn, folder)
            code = 0
        finally:
            os._exit(code)  # without what the parent has buffered or registered for its own end
    return process


def _wait(writing: dict[int, Drawn], folder: Path) -> None:
    """Wait for the fork that has written for longest."""
    process = next(iter(writing))
    drawn = writing.pop(process)
    _, status = os.waitpid(process, 0)
    if status != 0:
        save(drawn, folder)
