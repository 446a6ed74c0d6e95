"""The one place where figures become files: `<name>.png`, `.pdf` and the numbers in `.csv`."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf

from analysis.figures.drawn import Drawn
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
