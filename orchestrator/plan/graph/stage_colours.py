"""The colour of each stage, the same in every picture of a plan. Pure."""

from orchestrator.spec.run import Stage

STAGE_COLOURS = {
    Stage.TOWER_PRETRAIN: "#CC79A7",
    Stage.TEXT_PRETRAIN: "#0072B2",
    Stage.IMAGE_TEXT_PRETRAIN: "#E69F00",
    Stage.FILTER: "#D55E00",
    Stage.FINETUNE: "#009E73",
    Stage.AVERAGE: "#56B4E9",
    Stage.EVALUATE: "#8C8C8C",
}
"""Okabe and Ito's palette (jfly.uni-koeln.de/color), which colour-blind readers can tell apart."""


def tint(colour: str, strength: float) -> str:
    """Mix a colour with white.

    Args:
        colour: `#RRGGBB`.
        strength: share of the colour, in [0, 1]; 0 is white.

    Returns:
        `#RRGGBB`.
    """
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - strength * (255 - part)):02X}" for part in parts)
