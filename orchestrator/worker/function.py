"""Find a stage's function by its dotted name, `package.module:function`."""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import cast

from orchestrator.errors import ConfigError
from orchestrator.store.stage import StageContext, StageResult

StageFunction = Callable[[StageContext], StageResult]
"""What a run does."""


def load_function(name: str) -> StageFunction:
    """Import a module and return a function of it.

    Raises:
        ConfigError: if there is no such module or function. An import that fails inside the module
            is an error of that module and is passed on as it is.
    """
    module = load_module(name)
    function: object = getattr(module, name.partition(":")[2], None)
    if not callable(function):
        raise ConfigError(
            f"{module.__name__} has no function {name.partition(':')[2]!r}",
            where=f"function {name}",
            mend="name a function of the module: package.module:function",
        )
    return cast(StageFunction, function)


def load_module(name: str) -> ModuleType:
    """Import the module of a dotted function name.

    Raises:
        ConfigError: if the name has no colon, or there is no such module.
    """
    module, colon, _ = name.partition(":")
    if not colon:
        raise ConfigError(
            f"{name!r} names no function",
            where=f"function {name}",
            mend="write the module, a colon and the function: package.module:function",
        )
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module == missing or module.startswith(f"{missing}."):
            raise ConfigError(
                f"there is no module {missing}",
                where=f"function {name}",
                mend="install it, or put its folder on PYTHONPATH",
            ) from error
        raise
