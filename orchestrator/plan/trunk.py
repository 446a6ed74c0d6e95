"""Cut trunks at the union of the points that branches leave them. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from orchestrator.spec.run import TextPretrain


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """The trunks of a plan, each a chain of segments in the order they are trained."""

    trunks: tuple[tuple[str, ...], ...]
    """`run_id`s of each trunk's segments, by where they end."""
    ends: tuple[tuple[int, ...], ...]
    """Tokens at the end of each segment, parallel to `trunks`."""

    def previous(self, rid: str) -> str | None:
        """Return the segment before this one; None for a first segment or another kind of run."""
        place = self._place(rid)
        if place is None or place[1] == 0:
            return None
        return self.trunks[place[0]][place[1] - 1]

    def begin(self, rid: str) -> int:
        """Return the tokens of the trunk at which a segment begins."""
        place = self._place(rid)
        if place is None or place[1] == 0:
            return 0
        return self.ends[place[0]][place[1] - 1]

    def trunk_index(self, rid: str) -> int:
        """Return which trunk a segment belongs to."""
        place = self._place(rid)
        assert place is not None, f"{rid} is no segment"
        return place[0]

    def _place(self, rid: str) -> tuple[int, int] | None:
        for index, trunk in enumerate(self.trunks):
            if rid in trunk:
                return index, trunk.index(rid)
        return None


def cut_trunks(segments: Iterable[TextPretrain], name: Callable[[TextPretrain], str]) -> Segments:
    """Group segments by trunk (everything but where they end) and order them by their end.

    Args:
        segments: of all trunks, in any order.
        name: gives a segment's `run_id`.
    """
    trunks: dict[TextPretrain, set[int]] = {}
    for segment in segments:
        whole = replace(segment, end_tokens=segment.batch_tokens)
        trunks.setdefault(whole, set()).add(segment.end_tokens)
    ends = tuple(tuple(sorted(points)) for points in trunks.values())
    return Segments(
        trunks=tuple(
            tuple(name(replace(trunk, end_tokens=end)) for end in points)
            for trunk, points in zip(trunks, ends, strict=True)
        ),
        ends=ends,
    )
