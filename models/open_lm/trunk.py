"""The stage `text_pretrain` by OpenLM's own trainer, where its user has installed it.

A study asks for it by name, `functions: {text_pretrain: "models.open_lm.trunk:text_pretrain"}`:
other code and another order of the text give other weights, so its runs have names of their own.
OpenLM trains in a process beside ours; `stats_<n>.pt`, which it writes last, is taken as the truth
about how far it is, and never its exit code, which is 0 after a loss that is no number. Its last
checkpoint becomes one of ours, from which branches go on. They read on in our order of the text:
they may meet documents that OpenLM has read.
"""

import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from torch.distributed.elastic.utils.distributed import get_free_port

from models.architecture.build import build_model
from models.open_lm.command import Place, arguments, model_json, rates
from models.open_lm.decoder import read_decoder
from models.open_lm.files import load
from models.open_lm.optimizer import check_path, optimizer_path, read_optimizer
from models.open_lm.process import Ending, environment, require_open_lm, run
from models.open_lm.spacing import checkpoint_tokens, read_shards
from models.stages.next_token import held_out_losses
from models.stages.start import config_of, placed, prepare
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.checkpoint_folders import newest_valid
from models.training.ranks import joined
from orchestrator.errors import RecordError
from orchestrator.spec.execution import Execution
from orchestrator.spec.run import TextPretrain
from orchestrator.store.files import write_json
from orchestrator.store.layout import RunFolder
from orchestrator.store.stage import (
    DivergedError,
    Progress,
    StageContext,
    StageResult,
    StoppedError,
)

NAME = "trunk"
"""OpenLM's name for the training, and of its folder."""

INCOMPLETE = "incomplete"
"""Folder of checkpoints that OpenLM did not finish writing."""

_NO_NUMBER = b"NaN value"
"""What OpenLM writes into `out.log` before it leaves because of one."""

log = logging.getLogger(__name__)


def text_pretrain(context: StageContext) -> StageResult:
    """Train a trunk's segment with OpenLM, from the segment before or from scratch.

    Raises:
        ConfigError: if open_lm is not installed, or cannot do what is declared.
        DataError: if shards are missing, or OpenLM would misread them.
        DivergedError: if the loss was no number.
        StoppedError: if asked to stop; what was since OpenLM's last checkpoint is lost.
        RecordError: if OpenLM left without the checkpoint it was to write.
    """
    config = config_of(context, TextPretrain)
    require_open_lm()
    prepare(context)
    folder = context.folder.artifacts / "open_lm"
    check_path(folder)
    done = newest_valid(context.folder.checkpoints)
    if done is None or int(done.name) != config.end_tokens:
        _train(context, config, folder)
    saved = checkpoint.finished(context.folder)
    model = build_model(config.model, None, config.seed)
    checkpoint.load_weights(model, saved.weights, where=str(context.folder.checkpoints))
    return StageResult(
        measures=held_out_losses(context, placed(model, context), config),
        counts={
            "steps": config.end_tokens // config.batch_tokens,
            "tokens": config.end_tokens,
            "text_tokens": config.end_tokens,
        },
    )


def _train(context: StageContext, config: TextPretrain, folder: Path) -> None:
    """Bring OpenLM to the segment's end, and its checkpoint into our own form."""
    previous = context.previous()
    begin = 0 if previous is None else checkpoint.finished(previous).position
    shards = read_shards(context.data(config.text), config.model.seq_len)
    place = Place(
        model=folder / "model.json",
        manifest=shards.manifest,
        data_key=shards.data_key,
        logs=folder,
        name=NAME,
        checkpoint_tokens=checkpoint_tokens(
            config, rates(config), begin, shards, context.world.size
        ),
    )
    words = arguments(config, context.execution, context.world.size, place)
    checkpoints = folder / NAME / "checkpoints"
    wanted = config.end_tokens // config.batch_tokens
    on_cpu = Execution(threads=context.execution.threads)  # devices are the trainers'
    with joined(context.world, on_cpu) as ranks:
        if ranks.world.is_first:
            write_json(place.model, model_json(config.model, context.execution.device))
            _set_aside_unfinished(checkpoints)
            if previous is not None and not _steps(checkpoints):
                _go_on_from(previous, checkpoints)
            context.resumed(begin // config.batch_tokens)
        out = folder / NAME / "out.log"
        said_before = out.stat().st_size if out.exists() else 0
        port = ranks.firsts(get_free_port())  # no trainer starts before the files are there
        ending = run(
            words,
            environment(ranks.world, context.execution, port),
            has_reached=_watch(context, config, checkpoints, wanted),
            is_to_stop=context.stop_requested,
            everyones=ranks.everyones,
        )
        _answer(ending, (out, said_before), checkpoints)
        if ranks.world.is_first:
            _keep(context, config, checkpoints, wanted)
        ranks.everyones(None)  # nobody reads before it is there


def _watch(
    context: StageContext, config: TextPretrain, checkpoints: Path, wanted: int
) -> Callable[[], bool]:
    """Return a look at the newest checkpoint, which reports steps and says if the end is there."""
    told = 0

    def look() -> bool:
        nonlocal told
        step = newest_step(checkpoints) or 0
        if step > told:
            told = step
            position = step * config.batch_tokens
            context.report(Progress(step=step, steps=wanted, position=position))
        return step >= wanted

    return look


def _answer(ending: Ending, log_file: tuple[Path, int], checkpoints: Path) -> None:
    """See that the end was reached.

    Args:
        ending: of all trainers.
        log_file: OpenLM's, and the bytes that it had before this start.
        checkpoints: OpenLM's.

    Raises:
        StoppedError: if a process was asked to stop before.
        DivergedError: if the loss was no number.
        RecordError: if OpenLM left of itself.
    """
    if ending is Ending.REACHED:
        return
    step = newest_step(checkpoints) or 0
    if ending is Ending.STOPPED:
        raise StoppedError(f"OpenLM was stopped; its newest checkpoint is of step {step}")
    out, before = log_file
    said = out.read_bytes()[before:] if out.exists() else b""
    if _NO_NUMBER in said:
        raise DivergedError(f"OpenLM's loss was no number, some steps after {step}")
    raise RecordError(
        f"OpenLM left after step {step}, before the segment's end",
        where=str(out),
        mend="read there, and in the log of the run, why",
    )


def _keep(context: StageContext, config: TextPretrain, checkpoints: Path, wanted: int) -> None:
    """Write OpenLM's checkpoint at the segment's end in our own form, and remove all others.

    OpenLM may have gone further before it was ended.

    Raises:
        RecordError: if there is none of that step.
    """
    steps = _steps(checkpoints)
    number = next((number for number, step in steps.items() if step == wanted), None)
    if number is None:
        raise RecordError(
            f"OpenLM's checkpoints are of steps {sorted(steps.values())}, the segment ends at "
            f"{wanted}",
            where=str(checkpoints),
            mend="choose budgets that are whole shards, or shards of fewer sequences",
        )
    path = checkpoints / f"epoch_{number}.pt"
    model = build_model(config.model, None, config.seed)
    model.decoder.load_state_dict(read_decoder(path, config.model).state_dict())
    state = {f"decoder.{name}": tensor for name, tensor in read_optimizer(path).items()}
    checkpoint.save(
        context.folder.checkpoints,
        Checkpoint(
            step=wanted,
            position=config.end_tokens,
            counters={},
            weights=model.state_dict(),
            optimizer=state,
        ),
        keep=1,
        holding=context.holding,
    )
    kept = _files(checkpoints, number)
    for file in checkpoints.glob("*_[0-9]*.pt"):
        if file not in kept:
            file.unlink()


def newest_step(checkpoints: Path) -> int | None:
    """Return the step of OpenLM's newest whole checkpoint; None if there is none."""
    return max(_steps(checkpoints).values(), default=None)


def _steps(checkpoints: Path) -> dict[int, int]:
    """Return the steps of OpenLM's whole checkpoints, by number."""
    found: dict[int, int] = {}
    for path in checkpoints.glob("stats_[0-9]*.pt"):
        with suppress(RecordError, KeyError):  # it is being written
            found[int(path.stem.rpartition("_")[2])] = cast(int, load(path)["step"])
    return found


def _go_on_from(previous: RunFolder, checkpoints: Path) -> None:
    """Give OpenLM the checkpoint that the segment before ended with.

    Raises:
        RecordError: if that has none.
    """
    before = previous.artifacts / "open_lm" / NAME / "checkpoints"
    numbers = sorted(_steps(before))
    if not numbers:
        raise RecordError(
            "the segment before has no checkpoint of OpenLM's",
            where=str(before),
            mend="remove that run's folder and launch again, to train it anew",
        )
    checkpoints.mkdir(parents=True, exist_ok=True)
    model, optimizer, stats = _files(before, numbers[-1])
    for file in (stats, optimizer, model):  # OpenLM looks for the model: it comes last
        shutil.copy2(file, checkpoints / f".{file.name}")
        (checkpoints / f".{file.name}").rename(checkpoints / file.name)


def _set_aside_unfinished(checkpoints: Path) -> None:
    """Move newer checkpoints than the newest whole one away: OpenLM would go on from them."""
    numbers = sorted(
        {int(path.stem.rpartition("_")[2]) for path in checkpoints.glob("*_[0-9]*.pt")},
        reverse=True,
    )
    for number in numbers:
        try:
            for file in _files(checkpoints, number):
                load(file)
        except RecordError as error:
            log.warning("a checkpoint of OpenLM's is set aside: %s", error)
            aside = checkpoints / INCOMPLETE
            aside.mkdir(exist_ok=True)
            for file in _files(checkpoints, number):
                if file.exists():
                    file.replace(aside / file.name)
        else:
            return


def _files(checkpoints: Path, number: int) -> tuple[Path, Path, Path]:
    """Return a checkpoint's files in the order in which OpenLM writes them."""
    model = checkpoints / f"epoch_{number}.pt"
    return model, optimizer_path(model), checkpoints / f"stats_{number}.pt"
