"""Model shapes by OpenLM's names, from its configuration files (open_lm/model_configs). Pure.

OpenLM's files say nothing of norm and qk-norm; these presets carry what the released scaling runs
and DCLM's checkpoints pass on the command line (`gain_only_lp_layer_norm` with qk-norm).
"""

from orchestrator.spec.model import ModelConfig, Norm

OPEN_LM_VOCAB = 50_432
"""GPT-NeoX's 50,277 tokens, padded to a multiple of 256."""

OPEN_LM_SEQ_LEN = 2_048
"""Positions per sequence in OpenLM's files."""

_SHAPES = {  # width, depth, heads
    "open_lm_11m": (96, 8, 4),
    "open_lm_25m": (192, 12, 12),
    "open_lm_41m": (288, 12, 12),
    "open_lm_79m": (512, 8, 4),
    "open_lm_154m": (576, 24, 8),
    "open_lm_160m": (768, 12, 12),
    "open_lm_411m": (1024, 24, 8),
    "open_lm_830m": (1536, 24, 16),
    "open_lm_1b": (2048, 24, 16),
    "open_lm_3b": (2560, 32, 32),
    "open_lm_7b": (4096, 32, 32),
}

PRESETS = {
    name: ModelConfig(
        width=width,
        depth=depth,
        heads=heads,
        vocab_size=OPEN_LM_VOCAB,
        seq_len=OPEN_LM_SEQ_LEN,
        norm=Norm.GAIN_ONLY_LP,
        qk_norm=True,
    )
    for name, (width, depth, heads) in _SHAPES.items()
}
"""Presets by name; the `_v2` shapes where OpenLM has two."""
