"""A benchmark suite's error as a function of all axes of the study at once. Pure.

Sizes and text budgets enter as in Hoffmann et al.; the share of images and the point on the trunk
at which they come in add a parabola each. docs/decisions/0008 says why this form.
"""

from collections.abc import Mapping

import numpy as np

from analysis.laws.law import Array, Law

SHARES = ("image_ratio", "cooldown_point")
"""The axes with an optimum; both lie in [0, 1]."""

LETTERS = {"image_ratio": "r", "cooldown_point": "p"}
"""Letter of each one's coefficients."""

BEST = {"image_ratio": "best_image_ratio", "cooldown_point": "best_cooldown_point"}
"""Name of each one's optimum."""


def joint_law(*, has_tokens: bool) -> Law:
    """Return the law of error over params, text tokens, image ratio and cooldown point.

    A parabola u0 (1 - x)^2 + u1 x^2 with u0, u1 >= 0 is any convex one whose lowest point,
    u0 / (u0 + u1), lies in [0, 1], where shares lie; its level goes into E.

    Args:
        has_tokens: whether text budgets differ; without, what they would change is in E.
    """
    scales = ("params", "text_tokens") if has_tokens else ("params",)
    powers = " + ".join(
        f"{letter} / {name}^{exponent}"
        for letter, name, exponent in zip("AB", scales, ("alpha", "beta"), strict=False)
    )
    return Law(
        name="joint",
        equation=f"1 - score = E + {powers} + r0 (1 - image_ratio)^2 + r1 image_ratio^2"
        " + p0 (1 - cooldown_point)^2 + p1 cooldown_point^2",
        source="Hoffmann et al. 2022, arXiv:2203.15556, equation 2, with a mixture's terms added to"
        " it as Que et al. 2024, arXiv:2406.01375, do; parabolas over shares: an assumption",
        inputs=(*scales, *SHARES),
        coefficients=("E", *"AB"[: len(scales)], "r0", "r1", "p0", "p1"),
        signs=(1,) * (5 + len(scales)),
        exponents=("alpha", "beta")[: len(scales)],
        features=_features,
        factors=_factors,
        derive=_derive,
    )


def _features(inputs: Array) -> Array:
    scales = inputs.shape[1] - len(SHARES)
    features = np.zeros((len(inputs), 5 + scales, scales))
    for place in range(scales):
        features[:, 1 + place, place] = np.log(inputs[:, place])
    return features


def _factors(inputs: Array) -> Array:
    scales = inputs.shape[1] - len(SHARES)
    ratio, point = inputs[:, scales], inputs[:, scales + 1]
    ones = np.ones((len(inputs), 1 + scales))
    shares = [(1 - ratio) ** 2, ratio**2, (1 - point) ** 2, point**2]
    return np.column_stack([ones, *shares])


def _derive(values: Mapping[str, Array]) -> dict[str, Array]:
    return {
        BEST[name]: _lowest(values[f"{letter}0"], values[f"{letter}1"])
        for name, letter in LETTERS.items()
    }


def _lowest(low: Array, high: Array) -> Array:
    """Return where u0 (1 - x)^2 + u1 x^2 is lowest; the middle where both are 0."""
    total = np.asarray(low + high)
    flat = total == 0
    return np.where(flat, 0.5, low / np.where(flat, 1.0, total))
