"""Axes of a study and their values in words, as figures and tables show them. Pure."""

import math

SHARES = ("cooldown_point", "image_ratio", "instruction_ratio", "keep")
"""Axes that hold fractions."""

_PREFIXES = {
    "cooldown_point": "from",
    "image_ratio": "images",
    "instruction_ratio": "instructions",
    "keep": "kept",
    "seed": "seed",
    "text_tokens": "trunk of",
    "image_text_tokens": "branch of",
}
_BARE = ("model", "encoder", "learning_rate_rule", "instructions", "soup")
_SIZES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def value_words(name: str, value: object) -> str:
    """Return a value of an axis without the axis' name: "80 %", "2 epochs", "equal peak"."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "none"
    if name in SHARES and isinstance(value, int | float):
        return f"{100 * value:.4g} %"
    if name.endswith("_tokens") and isinstance(value, int | float):
        return count_words(float(value))
    if name == "epochs" and isinstance(value, int | float):
        return f"{value:g} epoch" + ("" if value == 1 else "s")
    if name == "captions":
        return str(value).removesuffix("/captions").replace("_", "-")
    if name == "learning_rate_rule":
        return str(value).replace("_", " ")
    return f"{value:g}" if isinstance(value, float) else str(value)


def axis_words(name: str, value: object) -> str:
    """Return an axis with its value: "from 80 %", "images 10 %", "2 epochs"."""
    words = value_words(name, value)
    if name in _PREFIXES:
        return f"{_PREFIXES[name]} {words}"
    if name in (*_BARE, "epochs", "captions"):
        return words
    return f"{name.rpartition('.')[2].replace('_', ' ')} {words}"


def count_words(value: float) -> str:
    """Write a large number as people do: "237B", "1.4B", "600"."""
    for size, letter in _SIZES:
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.4g}"
