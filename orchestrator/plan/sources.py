"""Data by the names that a study gives it. Pure."""

from orchestrator.errors import ConfigError
from orchestrator.spec.run import (
    Average,
    Evaluate,
    Filter,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    TextPretrain,
    TowerPretrain,
)
from orchestrator.spec.source import DataSource
from orchestrator.spec.study import Study


class Sources:
    """The data that a study may read; the same name gives the very same object."""

    def __init__(self, study: Study) -> None:
        self._versions = {collection.name: collection.version for collection in study.data}
        self._known: dict[str, DataSource] = {}

    def at(self, name: str, where: str) -> DataSource:
        """Return a source by name.

        Raises:
            ConfigError: if its collection is not declared.
        """
        if name not in self._known:
            self._known[name] = self._new(name, where)
        return self._known[name]

    def optional(self, name: str | None, where: str) -> DataSource | None:
        """Return a source by name; None for no name.

        Raises:
            ConfigError: if its collection is not declared.
        """
        return None if name is None else self.at(name, where)

    def _new(self, name: str, where: str) -> DataSource:
        collection, _, part = name.partition("/")
        if collection not in self._versions:
            raise ConfigError(
                f"data collection {collection!r} is not declared",
                where=where,
                mend=f"declare it under data, or name a part of: {', '.join(self._versions)}",
            )
        return DataSource(name=f"{collection}/{part}", version=self._versions[collection])


def sources_of(config: RunConfig) -> tuple[DataSource, ...]:
    """Return the data that a run reads."""
    match config:
        case TowerPretrain():
            sources = (config.scenes, *config.features_of)
        case TextPretrain():
            sources = (config.text, config.val_text)
        case ImageTextPretrain():
            sources = (
                *(config.text, config.captions, config.instructions),
                *(config.val_text, config.val_captions),
            )
        case Filter():
            sources = (config.captions, config.text)
        case Finetune():
            sources = (config.instructions, config.val_text, config.val_captions)
        case Average():
            sources = (config.selection.data if config.selection else None,)
        case Evaluate():
            sources = (config.suite.data, config.suite.text)
    return tuple(source for source in sources if source is not None)
