"""What a study's trunks would say of a law, and which further ones would say more."""

from typing import TYPE_CHECKING

from orchestrator.cli import quantities
from orchestrator.errors import FitError
from orchestrator.plan.lineage import from_scratch
from orchestrator.plan.plan import Plan
from orchestrator.spec.run import Stage

if TYPE_CHECKING:
    from analysis.fits.design import Candidates
    from analysis.fits.record import Fit

SCALING_ARM = "scaling"
"""If a study has an arm of this name, its runs alone are fitted."""
ASSUMED = (1.8172, 482.01, 2085.43, 0.3478, 0.3658)
"""E, A, B, alpha and beta of Besiroglu et al. 2024 (arXiv:2404.10102), assumed before a study runs:
they hold for large models on web text."""
ASSUMED_NOISE = 0.005
"""Standard deviation of the logarithm of one run's loss, assumed before a study runs."""
LEVEL = 0.9
"""Coverage of the intervals."""

Trunk = tuple[float, float, float]
"""Parameters, training tokens and device hours of a model."""


def trunks_of(plan: Plan) -> list[Trunk]:
    """Return the text-only models that a study fits.

    Raises:
        FitError: if it trains none.
    """
    totals = from_scratch(plan.runs)
    trained = [run for run in plan.runs if run.stage is Stage.TEXT_PRETRAIN]
    own = [run for run in trained if any(cell.arm == SCALING_ARM for cell in run.cells)] or trained
    if not own:
        raise FitError(
            "no run trains on text alone", plan.study, "add an arm with `stages: [text_pretrain]`"
        )
    return [
        (
            float(run.cost.params),
            float(totals[run.run_id].tokens),
            totals[run.run_id].device_hours,
        )
        for run in own
    ]


def expected_lines(plan: Plan) -> list[str]:
    """Say how wide the intervals of L(N, D) will be once a study has run.

    Raises:
        FitError: if its trunks determine no such law.
    """
    import numpy as np

    from analysis.fits.design import expected_half_width, quantity_of, simulated_half_width
    from analysis.laws.chinchilla import CHINCHILLA

    trunks = trunks_of(plan)
    inputs = np.array([trunk[:2] for trunk in trunks])
    theta = np.array(ASSUMED)
    lines = [
        f"then fit: {len(trunks)} losses, L(N, D) assumed as published (arXiv:2404.10102), "
        f"noise of a run assumed {ASSUMED_NOISE:.1%}; 90 % intervals:"
    ]
    for name in ("E", "alpha", "beta", "a"):
        of = quantity_of(CHINCHILLA, name)
        expected = expected_half_width(
            CHINCHILLA, theta, inputs, of, noise=ASSUMED_NOISE, level=LEVEL
        )
        words = f"  {name} = {float(of(theta)):.3g}: +-{expected:.2g} by the delta method"
        try:
            rng = np.random.default_rng(0)
            simulated = simulated_half_width(
                CHINCHILLA, theta, inputs, of, rng, noise=ASSUMED_NOISE, level=LEVEL
            )
        except FitError:
            lines.append(f"{words}; a tenth of simulated studies or more allow no fit")
        else:
            lines.append(f"{words}, +-{simulated:.2g} in simulated studies")
    return lines


def addition_lines(plan: Plan, made: "Fit", quantity: str) -> list[str]:
    """Say which further trunks narrow a quantity's interval most for their hours.

    Raises:
        FitError: if the law has no such quantity.
    """
    import numpy as np

    from analysis.fits.design import additions, expected_half_width, quantity_of

    trunks = trunks_of(plan)
    inputs = np.array([trunk[:2] for trunk in trunks])
    theta = np.array([item.value for item in made.parameters])
    of = quantity_of(made.law, quantity)
    noise = made.residuals.rms
    now = expected_half_width(made.law, theta, inputs, of, noise=noise, level=LEVEL)
    found = additions(made.law, theta, inputs, of, _candidates(trunks), noise=noise)
    return [
        f"{quantity} = {float(of(theta)):.4g}, +-{now:.2g} now (90 %, by the delta method, noise "
        f"of a run {noise:.2%}). Best next runs for their device hours, one after the other:",
        *(
            f"  {item.label}: {quantities.hours(item.hours)}, then +-{item.half_width:.2g} "
            f"({item.narrowing_per_hour * item.hours:.1%} narrower)"
            for item in found
        ),
    ]


def _candidates(trunks: list[Trunk]) -> "Candidates":
    """Return every size at every budget of a study, with hours at its mean speed by 6 N D."""
    import numpy as np

    from analysis.fits.design import Candidates

    rate = sum(hours for *_, hours in trunks) / sum(size * data for size, data, _ in trunks)
    pairs = [(n, d) for n in sorted({t[0] for t in trunks}) for d in sorted({t[1] for t in trunks})]
    return Candidates(
        inputs=np.array(pairs),
        hours=np.array([n * d * rate for n, d in pairs]),
        labels=tuple(
            f"{quantities.count(n)} params, {quantities.count(d)} tokens" for n, d in pairs
        ),
    )
