"""What a run's config means to OpenLM's trainer: its flags, or why it cannot do it. Pure.

Flags are those of open_lm/params.py at 9bb92ef (v0.0.34).
"""

from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ConfigError
from orchestrator.spec.execution import Device, Execution, Precision
from orchestrator.spec.guard import Guard
from orchestrator.spec.model import FeedForward, ModelConfig
from orchestrator.spec.optimizer import Decay
from orchestrator.spec.parallel import Recompute, Sharding
from orchestrator.spec.run import TextPretrain
from orchestrator.spec.schedule import Phase, Shape

FFN_MULTIPLE = 256
"""OpenLM rounds SwiGLU's hidden width up to a multiple of this, always."""

WORKERS = 1
"""Loading processes for each of training: with more of them OpenLM leaves out more sequences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """A schedule in OpenLM's words."""

    scheduler: str
    """`cosine` or `const`."""
    peak: float
    """`--lr`."""
    final: float
    """`--lr-cooldown-end`."""
    warmup: int
    """`--warmup`, in steps."""
    tokens: int
    """Over which it is defined; OpenLM stops there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where OpenLM reads and writes."""

    model: Path
    """The JSON file of `model_json`."""
    manifest: Path
    """Of the text's shards."""
    data_key: str
    """Suffix of their members: `json`, `json.gz` or `txt`."""
    logs: Path
    """Its `--logs`; a folder of its `--name` is made there."""
    name: str
    """Its `--name`."""
    checkpoint_tokens: int
    """Tokens between checkpoints: its `--train-num-samples`."""


def model_json(model: ModelConfig, device: Device) -> dict[str, int | bool | str]:
    """Return a model's configuration file, with the options that OpenLM's own leave to flags.

    Raises:
        ConfigError: if OpenLM cannot build such a model.
    """
    if model.ffn is FeedForward.SWIGLU and model.ffn_multiple != FFN_MULTIPLE:
        raise ConfigError(
            f"ffn_multiple is {model.ffn_multiple}, in OpenLM always {FFN_MULTIPLE}",
            where="model.ffn_multiple",
            mend=f"declare ffn_multiple: {FFN_MULTIPLE}, or train with our own trainer",
        )
    swiglu = "swiglu" if device is Device.CUDA else "swiglu_torch"  # the same weights
    return {
        "hidden_dim": model.width,
        "n_layers": model.depth,
        "n_heads": model.heads,
        "seq_len": model.seq_len,
        "vocab_size": model.vocab_size,
        "post_embed_norm": model.post_embed_norm,
        "weight_tying": model.weight_tying,
        "model_norm": model.norm.value,
        "qk_norm": model.qk_norm,
        "ffn_type": swiglu if model.ffn is FeedForward.SWIGLU else model.ffn.value,
        "positional_embedding_type": "rotary",
    }


def rates(config: TextPretrain) -> Rates:
    """Return a trunk's schedule in OpenLM's words.

    Raises:
        ConfigError: if it is none of a warm-up and then a cosine or a constant.
    """
    first, *rest = config.schedule.phases
    warmup = 0
    if first.shape is Shape.WARMUP and first.start == 0:
        warmup = _steps(first, config)
        if not rest:  # the segment ends within the warm-up
            return Rates(
                scheduler="const",
                peak=first.end,
                final=first.end,
                warmup=warmup,
                tokens=config.end_tokens,
            )
    else:
        rest = [first, *rest]
    shape = rest[0].shape
    if len(rest) > 1 or shape not in (Shape.COSINE, Shape.CONSTANT):
        shapes = ", ".join(phase.shape.value for phase in config.schedule.phases)
        raise ConfigError(
            f"OpenLM has no schedule of the phases {shapes}",
            where="learning_rate",
            mend="declare a warm-up and then curve: cosine or constant",
        )
    whole = config.schedule.length
    is_cosine = shape is Shape.COSINE
    return Rates(
        scheduler="cosine" if is_cosine else "const",
        peak=rest[0].start,
        final=rest[0].end,
        warmup=warmup,
        tokens=whole if is_cosine else config.end_tokens,
    )


def arguments(
    config: TextPretrain, execution: Execution, processes: int, place: Place
) -> tuple[str, ...]:
    """Return the arguments of `python -m open_lm.main`.

    Args:
        config: the trunk's segment.
        execution: device, precision and memory-saving choices.
        processes: that train together.
        place: where it reads and writes.

    Raises:
        ConfigError: if OpenLM cannot do what is declared.
    """
    _check(config, execution, processes)
    optimizer, rate = config.optimizer, rates(config)
    words: list[str | int | float] = ["--model", str(place.model)]
    words += ["--dataset-manifest", str(place.manifest), "--data-key", place.data_key]
    words += ["--train-num-samples", place.checkpoint_tokens]
    words += ["--epochs", rate.tokens // place.checkpoint_tokens]
    words += ["--global-batch-size", config.batch_tokens // config.model.seq_len]
    words += ["--accum-freq", execution.accumulation, "--workers", WORKERS]
    words += ["--precision", "amp_bfloat16" if execution.precision is Precision.BF16 else "fp32"]
    words += ["--lr", rate.peak, "--warmup", rate.warmup, "--lr-scheduler", rate.scheduler]
    words += ["--lr-cooldown-end", rate.final, "--force-min-lr", 0.0]
    words += ["--beta1", optimizer.beta1, "--beta2", optimizer.beta2, "--eps", optimizer.eps]
    words += ["--wd", optimizer.weight_decay, "--grad-clip-norm", optimizer.grad_clip]
    words += ["--z-loss-coefficient", optimizer.z_loss, "--seed", config.seed]
    words += ["--name", place.name, "--logs", str(place.logs), "--resume", "latest"]
    words += ["--save-frequency", 1, "--log-every-n-steps", 20, "--report-to", "none"]
    words += ["--attn-name", "auto" if execution.device is Device.CUDA else "torch_attn"]
    if execution.device is Device.CPU and processes > 1:
        words += ["--dist-backend", "gloo"]
    if execution.sharding is Sharding.SHARDED and processes > 1:
        words += ["--fsdp", *(["--fsdp-amp"] if execution.precision is Precision.BF16 else [])]
    if execution.recompute is Recompute.BLOCKS:
        words += ["--grad-checkpointing"]
    if execution.compile:
        words += ["--torchcompile"]
    return tuple(map(str, words))


def _check(config: TextPretrain, execution: Execution, processes: int) -> None:
    """Refuse what OpenLM does otherwise.

    Raises:
        ConfigError: naming it.
    """
    if config.optimizer.decay is not Decay.ALL:
        raise ConfigError(
            "OpenLM decays all weights, whatever their shape",
            where="optimizer.decay",
            mend=f"declare decay: {Decay.ALL}",
        )
    if config.optimizer.guard != Guard():
        raise ConfigError(
            "OpenLM ends at a loss that is no number, and looks for no spikes",
            where="optimizer.guard",
            mend="leave it out, or train with our own trainer",
        )
    sequences = config.batch_tokens // config.model.seq_len
    if sequences % (processes * execution.accumulation):
        raise ConfigError(
            f"{sequences} sequences a batch cannot be dealt over {processes} processes in "
            f"{execution.accumulation} micro-batches",
            where="batch_tokens",
            mend="choose numbers that divide the batch",
        )
    if execution.compile and processes > 1:
        raise ConfigError(
            "OpenLM cannot resume what several processes trained compiled",
            where="--compile",
            mend="leave it out",
        )


def _steps(phase: Phase, config: TextPretrain) -> int:
    if phase.length % config.batch_tokens:
        raise ConfigError(
            f"a warm-up of {phase.length} tokens is no whole number of steps",
            where="learning_rate.warmup",
            mend="declare warmup_steps",
        )
    return phase.length // config.batch_tokens
