"""The study's figures for the page: those drawn now, and other pictures that lie there."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.figures.drawn import Drawn
from orchestrator.store.layout import StudyFolder

PNG = b"\x89PNG\r\n\x1a\n"
"""How a PNG file begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure on the page."""

    name: str
    title: str
    caption: str
    png: str
    """Base64."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    has_data: bool
    """Whether its numbers lie beside it."""
    missing: tuple[str, ...]


def pictures(folder: StudyFolder, drawn: Sequence[Drawn]) -> list[Picture]:
    """Return what was drawn, then every further PNG of the study's figures folder, by name."""
    known = {item.name: item for item in drawn}
    others = sorted(p.stem for p in folder.figures.glob("*.png") if p.stem not in known)
    found = [_picture(folder, name, known.get(name)) for name in (*known, *others)]
    return [picture for picture in found if picture is not None]


def _picture(folder: StudyFolder, name: str, drawn: Drawn | None) -> Picture | None:
    path = folder.figures / f"{name}.png"
    png = path.read_bytes()
    if not png.startswith(PNG):
        return None
    return Picture(
        name=name,
        title=drawn.title if drawn else name,
        caption=drawn.caption if drawn else "Not drawn by this report; found in the folder.",
        png=base64.b64encode(png).decode("ascii"),
        width=int.from_bytes(png[16:20], "big"),  # of the header chunk, which comes first
        height=int.from_bytes(png[20:24], "big"),
        has_data=_data(path).exists(),
        missing=drawn.missing if drawn else (),
    )


def _data(path: Path) -> Path:
    return path.with_suffix(".csv")
