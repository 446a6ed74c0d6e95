"""What `sweep diff` says of two studies: tables and lines for people, objects for scripts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from orchestrator.cli.quantities import amount, count
from orchestrator.cli.setting_words import plain, said
from orchestrator.cli.terminal import whole
from orchestrator.plan.compare.difference import Difference, Move, Row
from orchestrator.plan.compare.effect import Effect
from orchestrator.plan.plan import PlannedRun
from orchestrator.spec.codec import Plain, encode
from orchestrator.spec.run import Stage

LINES = 20
"""Changed settings that are listed in a block; the rest is counted."""

VALUES = 3
"""Changes of one setting that are listed; of more, the first is shown and the others counted."""

WIDTH = 60
"""Characters of one value; longer ones are cut."""


def diff_objects(found: Difference, effects: Sequence[Effect]) -> Iterator[dict[str, Plain]]:
    """Return an object for each line of JSON; `kind` says what it is about."""
    yield {"kind": "total", **_row_object(found.total), "kept_before": encode(found.kept_before)}
    for kind, rows in (("stage", found.stages), ("arm", found.arms)):
        for row in rows:
            yield {"kind": kind, kind: row.name, **_row_object(row)}
    for effect in effects:
        change = effect.declaration
        sides: dict[str, Plain] = {"before": change.one, "after": change.other}
        yield {"kind": "declared", "place": change.place, **sides, "moves": effect.moves}
    for move in found.moves:
        change = move.contrast
        sides = {"before": plain(change.one), "after": plain(change.other)}
        stages: dict[str, Plain] = dict(_by_stage(move.runs))
        yield {"kind": "setting", "place": change.place, **sides, "runs": stages}
    yield from _run_objects(found)


def _row_object(row: Row) -> dict[str, Plain]:
    return {name: encode(getattr(row, name)) for name in ("added", "dropped", "kept")}


def _run_objects(found: Difference) -> Iterator[dict[str, Plain]]:
    """Return a line for each run that is added or dropped; an added one names its counterpart."""
    pairs = {pair.other.run_id: pair for pair in found.pairs}
    for change, runs in (("added", found.added), ("dropped", found.dropped)):
        for run in runs:
            pair = pairs.get(run.run_id) if change == "added" else None
            yield {
                "kind": "run",
                "change": change,
                "run_id": run.run_id,
                "stage": run.stage.value,
                "title": run.title,
                "arms": list(run.arms),
                "tokens": run.cost.tokens,
                "device_hours": run.cost.device_hours,
                "instead_of": pair.one.run_id if pair else None,
                "settings": [each.place for each in pair.contrasts] if pair else [],
            }


def show_diff(console: Console, found: Difference, effects: Sequence[Effect]) -> None:
    """Print what differs between two plans, and what does it."""
    console.print(whole(_table("by stage", "stage", [*found.stages, found.total])))
    moving = [row for row in found.arms if row.added.runs or row.dropped.runs]
    if moving:
        console.print(
            whole(_table("by arm that changes; one run can serve several", "arm", moving))
        )
    still = [row.name for row in found.arms if row not in moving]
    lines = [
        *([f"Arms that keep all their runs: {', '.join(still)}."] if still else []),
        *_kept_lines(found),
        *_move_lines(found),
        *_effect_lines(effects),
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(title: str, first: str, rows: Sequence[Row]) -> Table:
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False
    )
    table.add_column(first, no_wrap=True)
    table.add_column("")
    for name in ("runs", "tokens", "device hours"):
        table.add_column(name, justify="right")
    for row in rows:
        changes = {"added": row.added, "dropped": row.dropped, "kept": row.kept}
        shown = {name: tally for name, tally in changes.items() if tally.runs}
        label = row.name
        for name, tally in shown.items():
            hours = amount(tally.device_hours)
            table.add_row(label, name, f"{tally.runs:,}", count(tally.tokens), hours)
            label = ""
    return table


def _kept_lines(found: Difference) -> Iterator[str]:
    kept, before = found.total.kept, found.kept_before
    if amount(kept.device_hours) != amount(before.device_hours):
        yield (
            f"The kept runs take {amount(kept.device_hours)} device hours; "
            f"they took {amount(before.device_hours)}."
        )


def _move_lines(found: Difference) -> Iterator[str]:
    """Say what differs between dropped runs and their counterparts, a line for each change."""
    if found.pairs:
        yield (
            f"{len(found.pairs):,} added runs take the place of dropped ones. What differs, "
            "ancestors included:"
        )
    places: dict[str, list[Move]] = {}
    for move in found.moves:
        places.setdefault(move.contrast.place, []).append(move)
    lines = [line for place, moves in places.items() for line in _place_lines(place, moves)]
    yield from lines[:LINES]
    if len(lines) > LINES:
        yield f"  and {len(lines) - LINES:,} more lines; --json lists all"
    alone = (len(found.added) - len(found.pairs), len(found.dropped) - len(found.pairs))
    if any(alone):
        yield f"Without a counterpart: {alone[0]:,} runs added, {alone[1]:,} dropped."


def _place_lines(place: str, moves: Sequence[Move]) -> Iterator[str]:
    """Say each change of one setting, or the commonest where there are many."""
    shown = moves if len(moves) <= VALUES else moves[:1]
    for move in shown:
        change = f"{said(move.contrast.one)} -> {said(move.contrast.other)}"
        yield f"  {place} {change}: {_counts(move.runs)}"
    others = [run for move in moves[len(shown) :] for run in move.runs]
    if others:
        yield f"  {place}, {len(moves) - 1:,} other changes: {_counts(others)}"


def _by_stage(runs: Iterable[PlannedRun]) -> dict[str, int]:
    counts = Counter(run.stage for run in runs)
    return {stage.value: counts[stage] for stage in Stage if counts[stage]}


def _counts(runs: Sequence[PlannedRun]) -> str:
    stages = ", ".join(f"{number:,} {stage}" for stage, number in _by_stage(runs).items())
    return f"{len(runs):,} run{'' if len(runs) == 1 else 's'} ({stages})"


def _effect_lines(effects: Sequence[Effect]) -> Iterator[str]:
    words = {
        True: "Changed in the file:",
        False: "Changed in the file without moving any run:",
        None: "Changed in the file, too many at once to tell which move runs:",
    }
    if not effects:
        yield "The files declare the same."
    for moves, title in words.items():
        told = [effect.declaration for effect in effects if effect.moves is moves]
        if told:
            yield title
        for each in told[:LINES]:
            yield f"  {each.place} {_short(said(each.one))} -> {_short(said(each.other))}"
        if len(told) > LINES:
            yield f"  and {len(told) - LINES:,} more; --json lists all"


def _short(words: str) -> str:
    return words if len(words) <= WIDTH else f"{words[: WIDTH - 3]}..."
