"""Quantities as people read them: `28.0 B` tokens, `106k` hours, `17.3 GB`."""

_LARGE = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_BYTES = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def count(value: float) -> str:
    """Return a number with three digits and a suffix: `4.30T`, `512`, `0`."""
    return _scaled(value, _LARGE, "")


def amount(value: float) -> str:
    """Return a number with three digits, or whole where it has more: `0.0132`, `515,624`."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def size(value: float) -> str:
    """Return bytes, in powers of ten: `17.3 GB`."""
    return _scaled(value, _BYTES, "B", " ")


def hours(value: float) -> str:
    """Return hours as seconds, minutes, hours or days: `42 s`, `7.5 min`, `3.2 h`, `12 d`."""
    if value >= 48:
        return f"{value / 24:,.3g} d" if value < 24_000 else f"{value / 24:,.0f} d"
    if value >= 1:
        return f"{value:.3g} h"
    return f"{value * 60:.3g} min" if value * 60 >= 1 else f"{value * 3600:.2g} s"


def duration(seconds: float) -> str:
    """Return seconds as people say them: `8.3 s`, `2 min 5 s`, `3 h 20 min`, `4 d 7 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def _scaled(value: float, scales: tuple[tuple[float, str], ...], unit: str, space: str = "") -> str:
    for scale, suffix in scales:
        if value >= 0.9995 * scale:
            number = value / scale
            digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
            return f"{number:.{digits}f}{space}{suffix}"
    return f"{value:.3g}{space}{unit}"
