"""Loss as a function of the shares of a training mixture. Pure."""

from analysis.laws.law import Array, Law


def mixture_law(*shares: str) -> Law:
    """Return the data-mixing law of the shares named, each in [0, 1].

    Shares that add up to 1 determine no exponents: leave one of them out.
    """
    return Law(
        name="data mixing",
        equation="L = E + k * exp(-(" + " + ".join(f"t_{name} * {name}" for name in shares) + "))",
        source="Ye et al. 2024, arXiv:2403.16952, equation 1 (with t of the other sign)",
        inputs=shares,
        coefficients=("E", "k"),
        signs=(1, 1),
        exponents=tuple(f"t_{name}" for name in shares),
        features=_features,
        bounds=(-30.0, 30.0),
        search=(0.05, 10.0),
        may_rise=True,
    )


def _features(inputs: Array) -> Array:
    both = inputs[:, None, :].repeat(2, axis=1)  # (n, 2, Q)
    both[:, 0, :] = 0.0
    return both
