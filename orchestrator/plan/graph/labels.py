"""Axes and their values in words short enough for a box in a picture. Pure."""

from collections.abc import Sequence

from orchestrator.plan.plan import Axis, AxisValue

SHARES = ("cooldown_point", "image_ratio", "instruction_ratio", "keep")
"""Axes whose values are fractions, shown as percentages."""

WORDS = {
    "model": "{}",
    "encoder": "{}",
    "learning_rate_rule": "{}",
    "suite": "{}",
    "captions": "{}",
    "instructions": "{}",
    "soup": "{} soup",
    "text_tokens": "text {}",
    "image_text_tokens": "image-text {}",
    "cooldown_point": "at {}",
    "image_ratio": "images {}",
    "instruction_ratio": "instructions {}",
}
"""How an axis is said with its values; any other axis is said by its name."""

MOST_VALUES = 3
"""Values said one by one; of more, the first and the last are said."""

_SUFFIXES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))


def axis_words(name: str, values: Sequence[AxisValue]) -> str:
    """Say an axis with the values it takes, such as `images 10%, 30%`.

    Args:
        name: the axis.
        values: at least one, in the order to say them.
    """
    said = [value_words(name, value) for value in values]
    if len(said) > MOST_VALUES:
        said = [f"{said[0]} … {said[-1]}"]
    short = ".".join(name.split(".")[-2:])
    return WORDS.get(name, f"{short} {{}}").format(", ".join(said))


def usual_words(usual: Sequence[Axis]) -> str:
    """Say what holds wherever a label does not say otherwise; nothing if nothing is usual."""
    words = ", ".join(axis_words(axis.name, [axis.value]) for axis in usual)
    return f"unless a box says otherwise: {words}" if words else ""


def value_words(name: str, value: AxisValue) -> str:
    """Say one value of an axis: shares as `40%`, whole numbers from 10,000 on as `768k`."""
    if isinstance(value, str | bool):
        return str(value)
    if name in SHARES:
        return f"{100 * value:.4g}%"
    if isinstance(value, int) and abs(value) >= 10_000:
        size, suffix = next(pair for pair in _SUFFIXES if abs(value) >= pair[0])
        return f"{value / size:.4g}{suffix}"
    return f"{value:.6g}"
