"""A schedule in the words a study declares it by: warm-up, peak, curve, final. Pure."""

from orchestrator.spec.schedule import Phase, Schedule, Shape

TELLING_STEPS = {1: 6, 2: 50}
"""Steps from which a share of so many digits is told from the next one: at n steps, rounding to
whole ones moves a share by up to 1 in 2n, and shares of one digit differ by at least 1 in 10."""

Words = dict[str, str | float | int]
"""Values by name."""


def rate_words(schedule: Schedule, *, length: int | None, batch: int) -> Words:
    """Return what tells a schedule from every other one of its stage.

    Args:
        schedule: the phases.
        length: what the stage trains on, in the schedule's unit; None if the schedule alone says
            how long it is, and may have been cut at a branch point.
        batch: the same for one optimizer step.

    Returns:
        Learning rates and the lengths of phases by name. Lengths are shares of the whole where
        round ones give them (`5%`), else optimizer steps; one phase takes what is left.
    """
    phases = list(schedule.phases)
    warm = phases.pop(0) if phases[0].shape is Shape.WARMUP else None
    is_cut = length is None and schedule.phases[-1].shape in (Shape.CONSTANT, Shape.WARMUP)
    whole = None if is_cut else schedule.length
    words: Words = {"curve": ", ".join(phase.shape for phase in phases)} if phases else {}
    if whole is not None and whole != length:
        words["length"] = whole
    words["warmup"] = _length_words(warm.length if warm else 0, whole, batch)
    if warm is not None:
        words["start"] = warm.start
    words["peak"] = warm.end if warm else phases[0].start
    if phases:
        words |= _curve_words(phases, float(words["peak"]), whole, batch)
    return words


def _curve_words(phases: list[Phase], rate: float, whole: int | None, batch: int) -> Words:
    """Say where each phase leads and how long it is, but for one that takes what is left."""
    words: Words = {}
    held = [phase for phase in phases if phase.shape is Shape.CONSTANT]
    rest = (held or phases)[-1]
    shapes = [phase.shape for phase in phases]
    for number, phase in enumerate(phases):
        name = phase.shape if shapes.count(phase.shape) == 1 else f"{phase.shape}[{number}]"
        if phase.start != rate:
            words[f"{name}.start"] = phase.start
        if phase.shape is not Shape.CONSTANT:
            words["final" if phase is phases[-1] else f"{name}.end"] = phase.end
        if phase is not rest:
            words[f"{name}.length"] = _length_words(phase.length, whole, batch)
        rate = phase.end
    return words


def _length_words(length: int, whole: int | None, batch: int) -> str:
    if length == 0:
        return "none"
    share = None if whole is None else _round_share(length, whole, batch)
    if share is not None:
        return f"{100 * share:.3g}%"
    steps, over = divmod(length, batch)
    return f"{length} positions" if over else f"{steps} step{'' if steps == 1 else 's'}"


def _round_share(length: int, whole: int, batch: int) -> float | None:
    """Return the roundest share of the whole that gives this length in whole steps."""
    for digits, steps in TELLING_STEPS.items():
        share = float(f"{length / whole:.{digits}g}")
        if length >= steps * batch and round(share * whole / batch) * batch == length:
            return share
    return None
