"""From results to curves: `from analysis import load, fit, laws`.

Importing it loads neither numpy nor pandas; the first use of a name does.
"""

import sys
from typing import TYPE_CHECKING

import analysis.fit as _fit
from analysis.callable_package import FitPackage

if TYPE_CHECKING:
    from analysis import laws
    from analysis.fitting import fit
    from analysis.loading import load

__all__ = ["fit", "laws", "load"]

sys.modules[_fit.__name__].__class__ = FitPackage  # `analysis.fit` is a package and a function


def __getattr__(name: str) -> object:
    """Return a public name, loading what it needs."""
    if name == "load":
        from analysis.loading import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
