"""Where data lies: `<data root>/<collection>-<version>/<part>`, made or published alike."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

from orchestrator.errors import ConfigError, DataError
from orchestrator.plan.plan import MadeData, Plan
from orchestrator.spec.source import DataSource

COMPLETE = "dataset.json"
"""The file that a finished recipe writes last."""

Report = Callable[[str], None]


def source_folder(data_root: Path, source: DataSource) -> Path:
    """Return the folder of a data source."""
    return collection_folder(data_root, source.collection, source.version) / source.part


def collection_folder(data_root: Path, name: str, version: str) -> Path:
    """Return the folder of a collection."""
    return data_root / f"{name}-{version}"


def is_made(data_root: Path, made: MadeData) -> bool:
    """Return whether a recipe's data is there and whole."""
    return (collection_folder(data_root, made.name, made.version) / COMPLETE).exists()


def missing_data(plan: Plan, data_root: Path) -> tuple[str, ...]:
    """Return what a plan reads that is not there yet, a line each for people."""
    made = {item.name: item for item in plan.made}
    unmade = [f"{n} (sweep data make)" for n, item in made.items() if not is_made(data_root, item)]
    published = [
        f"{source.name} at version {source.version}"
        for source in plan.sources
        if source.collection not in made and not source_folder(data_root, source).is_dir()
    ]
    return (*unmade, *published)


def ensure_made(plan: Plan, data_root: Path, report: Report) -> tuple[Path, ...]:
    """Make the data of a plan that the project makes itself and that is not there yet.

    Args:
        plan: the plan.
        data_root: folder of data collections.
        report: told what is going on, a line at a time.

    Returns:
        The folders that were made now.

    Raises:
        ConfigError: if a recipe's name or options do not hold.
        DataError: if published data that the plan reads is not there.
    """
    made_names = {made.name for made in plan.made}
    for source in plan.sources:
        folder = source_folder(data_root, source)
        if source.collection not in made_names and not folder.is_dir():
            raise DataError(
                f"{source.name} at version {source.version} is not there",
                where=str(folder),
                mend="put the data there, or give --data the folder that holds it",
            )
    folders: list[Path] = []
    for made in plan.made:
        if is_made(data_root, made):
            continue
        folder = collection_folder(data_root, made.name, made.version)
        report(f"making {made.name} in {folder}")
        recipe = _recipe(made.recipe, f"data.{made.name}.recipe")
        try:
            recipe(dict(made.options), folder, report)
        except ConfigError as error:
            raise error.within(f"data.{made.name}") from error
        folders.append(folder)
    return tuple(folders)


def _recipe(name: str, where: str) -> Callable[[dict[str, object], Path, Report], None]:
    """Find a recipe by its dotted name."""
    module_name, _, function = name.partition(":")
    try:
        module = importlib.import_module(module_name)
        recipe: object = getattr(module, function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"the recipe {name!r} cannot be found ({error})",
            where=where,
            mend="give package.module:function of a recipe that is installed",
        ) from error
    return cast(Callable[[dict[str, object], Path, Report], None], recipe)
