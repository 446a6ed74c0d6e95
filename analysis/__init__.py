"""From results to curves: `from analysis import load, fit, laws`.

Importing it loads neither numpy nor pandas; the first use of a name does.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis import laws
    from analysis.fitting import fit
    from analysis.loading import load

__all__ = ["fit", "laws", "load"]


def __getattr__(name: str) -> object:
    """Return a public name, loading what it needs."""
    if name == "load":
        from analysis.loading import load

        return load
    if name == "fit":
        from analysis.fitting import fit

        return fit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
