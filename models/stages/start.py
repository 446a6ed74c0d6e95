"""What every stage begins with: its own kind of run, and the device."""

from typing import TypeVar

import torch

from models.architecture.vlm import VisionLanguageModel
from models.training.sharding import is_sharded
from orchestrator.errors import ConfigError
from orchestrator.spec.execution import Device
from orchestrator.spec.run import RunConfig
from orchestrator.store.stage import StageContext

Config = TypeVar("Config", bound=RunConfig)


def config_of(context: StageContext, kind: type[Config]) -> Config:
    """Return the run's config.

    Raises:
        ConfigError: if it is of another stage.
    """
    config = context.config
    if not isinstance(config, kind):
        raise ConfigError(
            f"the run is a {type(config).__name__}, the function is for a {kind.__name__}",
            where=str(context.folder.run_json),
            mend="name the function that belongs to the run's stage",
        )
    return config


def placed(model: VisionLanguageModel, context: StageContext) -> VisionLanguageModel:
    """Put a model on the run's device; one that will be cut over processes waits on the CPU."""
    if is_sharded(context.execution, context.world):
        return model
    return model.to(torch.device(context.execution.device))


def prepare(context: StageContext) -> torch.device:
    """Set threads and, where it costs nothing, deterministic algorithms; return the device."""
    execution = context.execution
    if execution.device is Device.CUDA:
        torch.cuda.set_device(context.world.local_rank)
    torch.set_num_threads(execution.threads)
    torch.use_deterministic_algorithms(execution.device is Device.CPU)
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]  (set by a property; filling would cost 3 % of a step)
    return torch.device(execution.device)
