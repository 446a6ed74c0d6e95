"""The package `analysis.fit` can be called as the function it is named for.

`from analysis import fit` gives a package as soon as anything has imported `analysis.fit.engine`;
so that it means the same whatever was imported before, the package itself is callable.
"""

import inspect
from types import ModuleType
from typing import Any


class FitPackage(ModuleType):
    """A package that hands calls, and questions about how to call it, to `analysis.fitting.fit`."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Fit a law to points; see `analysis.fitting.fit`."""
        from analysis.fitting import fit

        return fit(*arguments, **options)

    @property
    def __signature__(self) -> inspect.Signature:
        from analysis.fitting import fit

        return inspect.signature(fit)
